"""Runs attacks on evidence and measures what they find: the protocol that all attacks share."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.attacks.table import ABLATION, ATTACKS, Attack
from lira_jax.audit import fewer_shadows
from lira_jax.errors import UserError
from lira_jax.evaluation import calibration, risk, shadow_threshold
from lira_jax.evaluation.assessment import Assessment, assess
from lira_jax.evaluation.summary import Summary, evaluate

CURVE_ATTACKS = ("lira_online", "lira_online_fixed", "lira_offline", "lira_offline_fixed")
MOST_CURVE_TARGETS = 16


def run_attacks(
    evidence: Evidence,
    table: dict[str, Attack],
    names: Sequence[str],
    save: Callable[[str, np.ndarray], None],
    *,
    skip_failures: bool,
) -> dict[str, Assessment]:
    """Runs attacks, saves their scores and assesses them where the targets' membership is known.

    Args:
      evidence: what the attacks may look at.
      table: the attacks by name.
      names: of those to run.
      save: called with (name, scores float64 [targets, examples]).
      skip_failures: pass over attacks that this evidence does not suffice for, with a note.

    Returns:
      name -> assessment; empty if the membership is unknown.

    Raises:
      UserError: an attack cannot be run, naming it.
    """
    members, results, left_out = evidence.members, {}, {}
    evidence.read(signal for name in names for signal in table[name].needs)
    correct = None
    if "logits" in evidence.signals:
        correct = evidence.of_targets("logits").argmax(-1) == evidence.labels
    with progress.bar("attack", len(names), "attacks") as bar:
        for name in names:
            bar.set_postfix_str(name)
            started = time.monotonic()
            try:
                scores = table[name].run(evidence)
            except UserError as error:
                if not skip_failures:
                    raise UserError(f"--attacks={name}: {error}") from None
                left_out[name] = error
            else:
                save(name, scores)
                if members is not None:
                    results[name] = assess(
                        scores, members, evidence.labels, correct, table[name].threshold
                    )
                seconds = time.monotonic() - started
                if seconds > 30:
                    progress.note(f"{name} took {seconds:.0f} s")
            bar.update()
    if left_out and not evidence.keep.any():
        progress.note(
            "no shadow trained on an example under attack (disjoint masks), so attacks that learn "
            f"from shadows' members are left out: {', '.join(left_out)}"
        )
    else:
        for name, error in left_out.items():
            progress.note(f"left out {name}: {error}")
    return results


def ablation(evidence: Evidence) -> list[tuple[str, Summary]]:
    """What each component of LiRA adds: the 13 rows of Carlini et al. 2022, table II, in order."""
    known = {}
    for _, run in progress.each("ablation", ABLATION, "rows"):
        if run not in known:
            known[run] = evaluate(run(evidence), evidence.members)
    return [(name, known[run]) for name, run in ABLATION]


def number_of_shadows(evidence: Evidence, counts: Sequence[int]) -> list[tuple[int, str, Summary]]:
    """LiRA with random subsets of the shadow models (Carlini et al. 2022, figure 9).

    Args:
      counts: even numbers of shadows, half of them in and half out for every example. At most 16
        targets are attacked, evenly spread over the models.

    Returns:
      (number of shadows, attack, summary).

    Raises:
      UserError: a count is odd, more than the masks allow, or below 4: one score of a kind has no
        spread.
    """
    if not isinstance(evidence.targets, Inside):
        raise UserError(
            "--num_shadows: it needs targets that are models of the run, by the same recipe as "
            "the shadows"
        )
    most = fewer_shadows.most(evidence.keep)
    for count in counts:
        if count % 2 or not 4 <= count <= most:
            raise UserError(
                f"--num_shadows={count}: give even numbers from 4 to {most}, as the masks allow"
            )
    spread = np.linspace(
        0, evidence.targets.number - 1, min(MOST_CURVE_TARGETS, evidence.targets.number)
    )
    targets = evidence.targets.models[np.unique(spread.round().astype(int))]
    found, members = [], evidence.keep[targets]
    for count in progress.each("shadows", counts, "numbers"):
        few = [fewer_shadows.restrict(evidence, int(t), count) for t in targets]
        for name in CURVE_ATTACKS:
            scores = np.concatenate([ATTACKS[name].run(e) for e in few])
            found.append((count, name, evaluate(scores, members)))
    return found


def about_models(evidence: Evidence) -> dict:
    """Accuracy and calibration of the targets, and their privacy risk scores, for JSON.

    Returns:
      accuracy: of each target on its members and non-members. calibration: Hintersdorf et al. 2022,
        tables 2 and 3,
      means over targets. risk: Song and Mittal 2021, section 4. Empty where logits or membership
        are unknown.
    """
    members = evidence.members
    if "logits" not in evidence.signals or members is None:
        return {}
    logits = evidence.of_targets("logits")
    correct = logits.argmax(-1) == evidence.labels
    found = {
        "accuracy": {
            "members": _by_target(correct, members),
            "nonmembers": _by_target(correct, ~members),
        },
        "calibration": _calibration(logits, evidence.labels, members),
    }
    if evidence.keep.any():  # else there are no shadows' members to learn the score from
        scores = ATTACKS["privacy_risk"].run(evidence)
        found["risk"] = {
            "cumulative": risk.cumulative_distribution(scores, members),
            "calibration": risk.calibration(scores, members, prior=0.5),
            "precision_recall": risk.precision_recall(scores, members, prior=0.5),
            "by_class": risk.risk_by_class(scores, members, correct, evidence.labels),
        }
    return without_nan(found)


def _calibration(logits: np.ndarray, labels: np.ndarray, members: np.ndarray) -> dict[str, float]:
    """Means over targets; false positives are those of the maximum score attack at the shadows'
    threshold."""
    pairs = [calibration.confidence_and_correctness(target, labels) for target in logits]
    confidence = np.stack([c for c, _ in pairs])
    limits = shadow_threshold.thresholds(confidence, members)
    limits = np.median(confidence, axis=1) if limits is None else limits
    found = []
    for (own, correct), limit, inside in zip(pairs, limits, members, strict=True):
        unseen = ~inside  # whether a model is calibrated shows on what it has not trained on
        found.append(
            {
                "ece": calibration.expected_calibration_error(own[unseen], correct[unseen]),
                "oe": calibration.overconfidence_error(own[unseen], correct[unseen]),
                "score_shift": calibration.score_shift(own, inside),
                **calibration.mean_maximum_score(own, own >= limit, inside),
            }
        )
    known = {name: [one[name] for one in found if not np.isnan(one[name])] for name in found[0]}
    return {name: float(np.mean(values)) if values else np.nan for name, values in known.items()}


def _by_target(correct: np.ndarray, where: np.ndarray) -> list[float]:
    return [float(c[w].mean()) if w.any() else np.nan for c, w in zip(correct, where, strict=True)]


def without_nan(value):
    """The same JSON value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {str(k): without_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
