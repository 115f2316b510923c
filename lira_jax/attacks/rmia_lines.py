"""RMIA's lines of the table of attacks, with the options that a user can give it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lira_jax.attacks import soft_margin
from lira_jax.attacks.kinds import PHI_MEAN, Attack, Read, optional
from lira_jax.attacks.options import Option, Value
from lira_jax.attacks.reference_rmia import reference_confidence, reference_rmia
from lira_jax.attacks.rmia import COMBINE, rmia
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.lists import EACH, OUT
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Inside
from lira_jax.errors import UserError

CONFIDENCES: dict[Value, Callable] = {
    "softmax": soft_margin.tempered_phi,
    "taylor": soft_margin.taylor_soft_margin,
}

GAMMA = Option("gamma", 2.0, "the factor by which x has to be above z", least=1)
A = Option(
    "a", 0.3, "how far the in mean follows the out mean: in = a out + 1 - a", least=0, most=1
)
OPTIONS = (
    GAMMA,
    Option(
        "signal",
        "softmax",
        "the confidence p: the softmax, or the soft-margin Taylor softmax of order 4 and margin "
        f"{soft_margin.MARGIN}",
        choices=("softmax", "taylor"),
    ),
    Option("temperature", 1.0, "what logits are divided by", least=0, above=True),
    Option(
        "trim",
        0.0,
        "the share of the shadow scores that p(x) leaves out at each end, 0.2 in the authors' code",
        least=0,
        most=0.5,
        below=True,
    ),
    Option(
        "z",
        "all",
        "the examples that x is compared with, all or the target's non-members; the second takes "
        "an attacker who knows some",
        choices=("all", "nonmembers"),
    ),
    Option(
        "combine",
        "mean",
        "how queries become one score, the mean of their scores or a vote on each z",
        choices=COMBINE,
    ),
    Option(
        "population",
        "all",
        "how many z are drawn at random",
        choices=("all",),
        least=1,
        whole=True,
    ),
)


def line(summary: str, source: str, online: bool) -> Attack:
    """A line of `rmia`, with its options."""

    def build(given: Mapping[str, Value]) -> Attack:
        options: dict[str, Any] = dict(given)
        signal, temperature = options.pop("signal"), options.pop("temperature")
        known = options.pop("z") == "nonmembers"
        if options["population"] == "all":
            options["population"] = None
        on_phi = signal == "softmax" and temperature == 1

        def run(e: Evidence) -> np.ndarray:
            read = _phi if on_phi else _of_logits(e, CONFIDENCES[signal], temperature)
            arguments: dict[str, Any] = {**e.targets.arguments(read), **options}
            if known:
                arguments["members"] = told(e, "z=nonmembers")
            return rmia(read(e.signals), e.keep, online=online, **arguments)

        return Attack(
            run,
            summary,
            source,
            needs=("phi",) if on_phi else ("logits",),
            fewest=EACH if online else OUT,
            statistic=PHI_MEAN if on_phi else None,
        )

    return optional(build, *((GAMMA,) if online else (GAMMA, A)), *OPTIONS[1:])


def reference_line(name: str, source: str, online: bool) -> Attack:
    """A line of `reference_rmia`, with the settings that its configurations vary."""

    def build(given: Mapping[str, Value]) -> Attack:
        options: dict[str, Any] = dict(given)
        temperature = options.pop("temperature")

        def run(e: Evidence) -> np.ndarray:
            members = told(e, "--compat=rmia")
            read = _of_logits(e, reference_confidence, temperature)
            own = e.targets.arguments(read)
            return reference_rmia(
                read(e.signals), e.keep, **own, members=members, online=online, **options
            )

        summary = f"{name} as its authors' code has it, the z being the target's non-members"
        return Attack(run, summary, source, needs=("logits",), fewest=EACH if online else OUT)

    temperature = Option("temperature", 2.0, "what logits are divided by", least=0, above=True)
    return optional(build, GAMMA, *(() if online else (A,)), temperature)


def told(evidence: Evidence, why: str) -> np.ndarray:
    """The targets' membership, for an attacker who is told of it.

    Raises:
      UserError: it is unknown.
    """
    if evidence.members is None:
        raise UserError(
            f"{why}: the z are non-members of the target, and its membership is unknown"
        )
    return evidence.members


def _phi(signals: Signals) -> np.ndarray:
    return signals["phi"]


def _of_logits(e: Evidence, confidence: Callable, temperature: Any) -> Read:
    """A confidence, float64 [models, examples, queries], of all queries whose logits are saved.

    Args:
      e: whose targets and shadows are both to have them; otherwise it is the plain query alone.
      confidence: (logits [models, examples, classes], labels, temperature) -> [models, examples].
      temperature: what logits are divided by.
    """
    outputs = [e.signals] if isinstance(e.targets, Inside) else [e.signals, e.targets.outputs]
    for signals in outputs:
        _ = signals["logits"]  # which says what to do if there are none
    numbers = {signals.query_logits(0).shape[1] for signals in outputs}
    num_queries = numbers.pop() if len(numbers) == 1 else 1

    def read(signals: Signals) -> np.ndarray:
        models = []
        for model in range(signals.num_models):
            by_query = signals.query_logits(model)[:, :num_queries].transpose(1, 0, 2)
            models.append(confidence(by_query, signals.labels, temperature).T)
        return np.stack(models)

    return read
