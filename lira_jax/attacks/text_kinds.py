"""Kinds of lines of the table of attacks on models of text."""

import numpy as np

from lira_jax.attacks.kinds import Attack, plain_of, threshold_on
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.lists import OUT
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.window_comparison import window_comparison


def of_text(name: str, summary: str, source: str, *needs: str) -> Attack:
    """One threshold on a signal of sequences, of the same name."""
    return Attack(
        threshold_on(name),
        summary,
        source,
        needs,
        statistic=plain_of(name),
        by_model=True,
        text=True,
    )


def windows_of_text(summary: str, source: str) -> Attack:
    """WBC (window_comparison.py), on the log-probabilities of tokens."""

    def read(s: Signals) -> np.ndarray:
        return s["token_losses"][:, :, 0]

    def run(e: Evidence) -> np.ndarray:
        number = e.signals["num_tokens"][0]
        return window_comparison(read(e.signals), number, e.keep, **e.targets.arguments(read))

    return Attack(run, summary, source, ("token_losses",), fewest=OUT, text=True)
