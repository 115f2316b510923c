"""How often attacks take probes, examples that no model trained on, for members."""

import dataclasses

import numpy as np
import scipy

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.audit.results import FalsePositiveRate, ProbeResults
from lira_jax.errors import UserError
from lira_jax.evaluation import calibration
from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.intervals import clopper_pearson

ATTACKS = (
    *(
        "loss",
        "confidence",
        "correctness",
        "entropy",
        "modified_entropy",
        "maximum_score",
        "phi",
        "phi_mean",
    ),
    "lira_offline",
    "salem_top3",
)
"""Attacks on a probe: they need no shadow models, or only some that did not train on it, or learn
from the pool. With salem_top3 they are the three of Hintersdorf et al. 2022."""

_STREAM = 0x70726F62  # sets these random numbers apart from other uses of the same seed


def on_probes(
    probes: Evidence,
    evidence: Evidence,
    table: dict[str, Attack],
    results: dict[str, AttackResults],
    seed: int = 0,
) -> ProbeResults:
    """False-positive rates on one set of probes at the thresholds of the attacks on the pool.

    Hintersdorf et al. 2022, section 4.2 and figure 3. A threshold is the attack's own, or chosen on
    other targets' members and non-members of the pool (`shadow_threshold`).

    Args:
      probes: what the same models, with the same targets, say of the probes.
      evidence: of the pool.
      table: the attacks by name.
      results: of the attacks on the pool.
      seed: of which out models a probe has.

    Returns:
      The rates; their intervals are over targets; of one target, over probes.
    """
    # All shadows are out models of a probe, but an offline attack with more of them than it has for
    # an example of the pool has another distribution, to which the threshold does not belong. So
    # each probe takes the out models of an example, drawn at random.
    drawn = np.random.default_rng([seed, _STREAM]).integers(
        len(evidence.labels), size=len(probes.labels)
    )
    probes = dataclasses.replace(
        probes,
        keep=evidence.keep[:, drawn],
        attack_training=evidence.attack_training or evidence,
    )
    score = _maximum_score(probes)
    rates = {}
    for name in ATTACKS:
        limits = results[name].thresholds if name in results else None
        if limits is None:
            continue
        try:
            scores = table[name].run(probes)
        except UserError as error:
            progress.note(f"left out {name} on probes: {error}")
        else:
            scored = ~np.isnan(scores).any(0)  # the example drawn for a probe can have too few
            called = scores[:, scored] >= np.array(limits)[:, None]
            rates[name] = _over_targets(called, score[:, scored])
    return ProbeResults(
        maximum_score=float(score.mean()),
        false_positive_rate=rates,
        num_probes=len(probes.labels),
        score_shift=_score_shift(evidence, score),
    )


def on_nonmembers(evidence: Evidence, results: dict[str, AttackResults]) -> ProbeResults:
    """The same of the pool's own non-members, to compare with; without intervals."""
    score = _maximum_score(evidence)
    rates = {}
    for name in ATTACKS:
        found = results.get(name)
        if found and found.decisions:
            means = found.maximum_scores
            rates[name] = FalsePositiveRate(
                found.decisions["1:1"].far,
                score_of_positives=means.false_positives if means else np.nan,
                score_of_negatives=means.true_negatives if means else np.nan,
            )
    members = evidence.members
    assert members is not None, "results are of targets of known membership"
    return ProbeResults(
        float(score[~members].mean()),
        rates,
        score_shift=calibration.mean_known(
            [
                calibration.score_shift(own, inside)
                for own, inside in zip(score, members, strict=True)
                if inside.any() and not inside.all()
            ]
        ),
    )


def _score_shift(evidence: Evidence, of_probes: np.ndarray) -> float:
    """Earth mover's distance of each target's members and the probes, [targets, probes]; mean."""
    members = evidence.members
    assert members is not None, "results are of targets of known membership"
    each = zip(_maximum_score(evidence), members, of_probes, strict=True)
    return calibration.mean_known(
        [
            calibration.earth_movers_distance(own[inside], others)
            for own, inside, others in each
            if inside.any()
        ]
    )


def _maximum_score(evidence: Evidence) -> np.ndarray:
    """float64 [targets, examples]."""
    return np.exp(evidence.statistic_of_targets(statistics.maximum_score))


def _over_targets(alarms: np.ndarray, score: np.ndarray) -> FalsePositiveRate:
    """Mean rate of alarms, bool [targets, probes], with its interval, and the mean maximum scores,
    of [targets, probes], with and without an alarm."""
    means = calibration.maximum_scores(score, alarms, np.zeros_like(alarms), np.ones_like(alarms))
    own = alarms.mean(1)
    if len(own) == 1:
        low, high = (float(end) for end in clopper_pearson(alarms.sum(), alarms.size))
    else:
        # Targets see the same probes, so only they are independent; Student's t for the mean over
        # them.
        margin = scipy.stats.t.ppf(0.975, len(own) - 1) * own.std(ddof=1) / np.sqrt(len(own))
        low, high = max(own.mean() - margin, 0), min(own.mean() + margin, 1)
    return FalsePositiveRate(
        value=float(own.mean()),
        low=float(low),
        high=float(high),
        per_target=tuple(own.tolist()),
        score_of_positives=means.false_positives,
        score_of_negatives=means.true_negatives,
    )
