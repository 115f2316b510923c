#!/usr/bin/env python3
"""Song and Mittal's protocol on finished runs: ONE shadow model, class thresholds, one target.

    python scripts/song_mittal.py TARGETS_RUN SHADOWS_RUN

Target t of one run is judged by shadow model t + 1 (counted round) of the other, which may be the
same run: class thresholds and attack networks come from the shadow's members and as many of its
  non-members, drawn at random, and
balanced accuracy is over the target's members and as many of its non-members (Song and Mittal 2021,
sections 3.1 and 5.1). For each metric it prints the mean over targets in percent, the 95 % interval
of the mean (Student t) and the 95 % interval of ONE further split, where a published figure of a
single split should lie.
"""

import argparse
import sys
import warnings

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from lira_jax import progress
from lira_jax.attacks.class_thresholds import class_thresholds
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.trained import confidences
from lira_jax.errors import UserError
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import KEEP, POOL

METRICS = {
    "confidence": statistics.log_confidence,
    "entropy": statistics.entropy,
    "modified entropy": statistics.modified_entropy,
}


def read(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits [models, examples, classes], keep [models, examples], labels [examples] of a run."""
    run = RunDirectory(path)
    keep, labels = run.read(KEEP, (None, None)), run.read(POOL.labels, (None,))
    return np.stack([run.read(POOL.signal("logits", m)) for m in range(len(keep))]), keep, labels


def even(keep: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices of the members of one model and of as many of its non-members."""
    members = np.flatnonzero(keep)
    return np.concatenate([members, rng.choice(np.flatnonzero(~keep), len(members), replace=False)])


def sorted_probabilities(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What an attack network sees that is not told the label, [examples, classes]."""
    return np.sort(np.exp(confidences(logits)), -1)


def with_label(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What a network sees: the probabilities and the label one-hot, [examples, 2 classes]."""
    return np.hstack([np.exp(confidences(logits)), np.eye(logits.shape[-1])[labels]])


def attack_network(features: np.ndarray, members: np.ndarray) -> MLPClassifier:
    """A network of MemGuard's shape (512, 256, 128, ReLU), trained by Adam."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops after max_iter passes
        return MLPClassifier((512, 256, 128), max_iter=40, random_state=0).fit(features, members)


def judge(
    own, own_members, own_labels, shadow, shadow_members, shadow_labels, rng
) -> dict[str, float]:
    """All metrics of one target and one shadow model.

    Logits are [examples, classes], members bool [examples].

    "half known": the network is trained on half of the target's own members and non-members, as if
    they were known to the attacker, and judged on the rest; it needs no shadow model (Nasr et al.
    2018).
    """

    def balanced(decision: np.ndarray) -> float:
        return (decision[own_members].mean() + (~decision[~own_members]).mean()) / 2

    right, shadow_right = own.argmax(-1) == own_labels, shadow.argmax(-1) == shadow_labels
    found = {
        "train accuracy": right[own_members].mean(),
        "test accuracy": right[~own_members].mean(),
        "shadow: train accuracy": shadow_right[shadow_members].mean(),
        "shadow: test accuracy": shadow_right[~shadow_members].mean(),
        "correctness": balanced(right),
    }
    for name, metric in METRICS.items():
        limits = class_thresholds(
            metric(shadow, shadow_labels), shadow_members, shadow_labels, shadow.shape[-1]
        )
        found[name] = balanced(metric(own, own_labels) >= limits[own_labels])
    order = rng.permutation(len(own))
    known, rest = order[: len(order) // 2], order[len(order) // 2 :]
    for name, features in {
        "sorted probabilities": sorted_probabilities,
        "probabilities, label": with_label,
    }.items():
        x = features(own, own_labels)
        network = attack_network(features(shadow, shadow_labels), shadow_members)
        found[f"network ({name})"] = balanced(network.predict(x))
        network = attack_network(x[known], own_members[known])
        decision, members = network.predict(x[rest]), own_members[rest]
        found[f"network ({name}), half known"] = (
            decision[members].mean() + (~decision[~members]).mean()
        ) / 2
    return found


def main(targets: str, shadows: str) -> None:
    (logits, keep, labels), (shadow_logits, shadow_keep, shadow_labels) = (
        read(targets),
        read(shadows),
    )
    rng, rows = np.random.default_rng(0), []
    for t in progress.each("judge", range(len(keep)), "targets"):
        s = (t + 1) % len(shadow_keep)
        i, j = even(keep[t], rng), even(shadow_keep[s], rng)
        rows.append(
            judge(
                logits[t, i],
                keep[t, i],
                labels[i],
                shadow_logits[s, j],
                shadow_keep[s, j],
                shadow_labels[j],
                rng,
            )
        )
    n = len(rows)
    quantile = stats.t.ppf(0.975, n - 1)
    print(f"{f'{n} targets, percent':44s}   mean   95 % of the mean   95 % of one split")
    for name in rows[0]:
        values = [100 * row[name] for row in rows]
        mean, sd = np.mean(values), np.std(values, ddof=1)
        mean_half, one_half = quantile * sd / n**0.5, quantile * sd * (1 + 1 / n) ** 0.5
        print(
            f"{name:44s}  {mean:5.1f}   {mean - mean_half:5.1f} .. {mean + mean_half:5.1f}"
            f"     {mean - one_half:5.1f} .. {mean + one_half:5.1f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "targets", help="run directory whose models are attacked, scored by lira-score"
    )
    parser.add_argument(
        "shadows", help="run directory whose models are the shadows, on the same data set"
    )
    arguments = parser.parse_args()
    try:
        main(arguments.targets, arguments.shadows)
    except UserError as error:
        sys.exit(f"song_mittal.py: error: {error}")
