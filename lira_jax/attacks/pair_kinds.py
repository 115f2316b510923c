"""Kinds of lines of attacks that learn from pairs of a shadow model and an example (pairs.py)."""

from collections.abc import Callable, Mapping

import numpy as np

from lira_jax import progress
from lira_jax.attacks import class_thresholds, privacy_risk, trained
from lira_jax.attacks.class_thresholds import class_threshold_attack
from lira_jax.attacks.classifiers import VARIANTS, unchanged
from lira_jax.attacks.kinds import (
    Attack,
    Read,
    Run,
    Scalar,
    features,
    optional,
    scalar_plain,
    statistic,
)
from lira_jax.attacks.merlin import merlin
from lira_jax.attacks.options import Option, Value
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals

SHADOWS = Option(
    "shadows",
    "all",
    "how many shadow models it learns from, the next ones after the target; 1 as Song and Mittal "
    "2021 and Hintersdorf et al. 2022",
    ("all",),
    least=1,
    most=1e6,
    whole=True,
)
"""Of attacks that learn from shadow models' pairs."""


def _number_of(given: Mapping[str, Value]) -> int:
    """The option as a number, 0 for all."""
    number = given[SHADOWS.name]
    return 0 if number == "all" else int(number)


def by_class(attack: Callable, read: Read, **options) -> Run:
    """An attack on a statistic of the plain query, class by class."""
    return lambda e: attack(
        read(e.signals),
        e.labels,
        e.keep,
        **e.targets.arguments(read),
        training_set=e.training_set(read),
        **options,
    )


def class_threshold(
    function: statistics.Statistic, summary: str, source: str, judges_by: Scalar | None = None
) -> Attack:
    """A threshold a class on a statistic of the plain logits, or on any scalar signal."""

    def caveat(e: Evidence, scores: np.ndarray) -> str:
        known = e.attack_training or e
        return class_thresholds.caveat(known.labels, known.keep, _left_out(e), judged=e.labels)

    def build(given: Mapping[str, Value]) -> Attack:
        return Attack(
            by_class(class_threshold_attack, statistic(function), shadows=_number_of(given)),
            summary,
            source,
            ("logits",),
            0.0,
            on_signal="class_threshold",
            run_on=lambda name: by_class(class_threshold_attack, lambda s: scalar_plain(s, name)),
            statistic=judges_by,
            caveat=caveat,
            by_model=True,
        )

    return optional(build, SHADOWS)


def risk(summary: str, source: str) -> Attack:
    """The privacy risk score (privacy_risk.py)."""
    read = statistic(statistics.modified_entropy)

    def build(given: Mapping[str, Value]) -> Attack:
        return Attack(
            by_class(privacy_risk.privacy_risk_score, read, shadows=_number_of(given)),
            summary,
            source,
            ("logits",),
            0.5,
            caveat=lambda e, scores: privacy_risk.caveat(scores, e.labels),
            by_model=True,
        )

    return optional(build, SHADOWS)


def _left_out(e: Evidence) -> int:
    """How many shadow scores of a kind an example loses with a target and its partner."""
    return len(e.keep) - e.targets.num_shadows(len(e.keep))


def learned(
    name: str, summary: str, source: str, extra: str = "", *, on_probes: bool = False
) -> Attack:
    """An attack that trains a classifier for every target (trained.py).

    Args:
      name: of the attack, one of VARIANTS.
      summary, source, extra: of the line.
      on_probes: whether probes are judged, too: the evidence keeps what was learned from it, so
        that it is learned once for the pool and all sets of probes.
    """

    def attack(e: Evidence, called: str, read: Read, variant: dict) -> np.ndarray:
        known = e.attack_training or e
        kept = known.learned.setdefault(called, {}) if on_probes else None
        with progress.bar(f"  {called}", e.targets.number, "targets", leave=False) as bar:
            return trained.trained_attack(
                read(e.signals),
                e.labels,
                e.keep,
                **e.targets.arguments(read),
                training_set=e.training_set(read),
                learned=kept,
                progress=bar.update,
                **variant,
            )

    def run_on(signal: str) -> Run:
        variant = {**VARIANTS[name], "features": unchanged}
        return lambda e: attack(e, f"{name}@{signal}", lambda s: features(s, signal), variant)

    def caveat(e: Evidence, scores: np.ndarray) -> str:
        if not VARIANTS[name].get("per_class"):
            return ""
        known = e.attack_training or e
        return trained.caveat(known.labels, known.keep, _left_out(e), judged=e.labels)

    def build(given: Mapping[str, Value]) -> Attack:
        number = _number_of(given)
        called = f"{name}+{SHADOWS.name}={number}" if number else name
        variant = {**VARIANTS[name], "shadows": number}
        return Attack(
            lambda e: attack(e, called, lambda s: s["logits"], variant),
            summary,
            source,
            ("logits",),
            fallback=0.0,  # log-odds: a probability of one half, where the papers decide
            slow=True,
            extra=extra,
            caveat=caveat,
            on_signal=name,
            run_on=run_on,
        )

    return optional(build, SHADOWS)


def merlin_line(summary: str, source: str) -> Attack:
    """MERLIN (merlin.py), on the signal of that name."""

    def read(s: Signals) -> np.ndarray:
        return s["merlin"]

    def run(e: Evidence) -> np.ndarray:
        own = e.targets.arguments(read)
        return merlin(read(e.signals), e.keep, **own, training_set=e.training_set(read))

    return Attack(run, summary, source, ("merlin",))
