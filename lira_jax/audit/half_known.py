"""The attacker who knows half of the target's own members: the strongest against a defence.

Song and Mittal 2021 (https://arxiv.org/abs/2003.10595) attack a defence that no shadow model
repeats in this way, in the authors' code: a random half of the target's members and as many of its
non-members set the thresholds, and the others are judged. A network may learn from them as well
(Nasr et al. 2018, https://arxiv.org/abs/1807.05852).
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from threadpoolctl import threadpool_limits

from lira_jax import progress
from lira_jax.attacks.class_thresholds import class_thresholds
from lira_jax.attacks.classifiers import confidences
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.audit.csv_table import csv_table
from lira_jax.audit.known_found import members_of_classifiers
from lira_jax.errors import UserError

_STREAM = 0x68616C66  # sets these random numbers apart from other uses of the same seed

METRICS: dict[str, Callable] = {
    "confidence": statistics.log_confidence,
    "entropy": statistics.entropy,
    "modified entropy": statistics.modified_entropy,
}


def halves(members: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random half of the members and as many non-members, and the other half and as many others.

    Args:
      members: bool [examples], of one target.

    Returns:
      (known, judged): int [2 n], n = half the size of the smaller kind.

    Raises:
      UserError: there are fewer than 2 members or non-members.
    """
    kinds = [rng.permutation(np.flatnonzero(kind)) for kind in (members, ~members)]
    number = min(map(len, kinds)) // 2
    if not number:
        raise UserError(
            f"--protocol=half_known: a target has {len(kinds[0])} members and {len(kinds[1])} "
            "non-members; it takes 2 of each"
        )
    return (
        np.concatenate([kind[:number] for kind in kinds]),
        np.concatenate([kind[number : 2 * number] for kind in kinds]),
    )


def judge(
    logits: np.ndarray,
    labels: np.ndarray,
    members: np.ndarray,
    rng: np.random.Generator,
    *,
    network: bool = True,
) -> dict[str, float]:
    """Balanced accuracy of each attack on one target, from 0 to 1.

    Args:
      logits: float [examples, classes], of the target.
      labels: int [examples].
      members: bool [examples].
      rng: of the halves.
      network: whether a network learns, too.

    Returns:
      "correctness"; "METRIC, one threshold" and "METRIC, by class" of METRICS; "network" on sorted
      confidences and "network, label" told the label as well.
    """
    known, judged = halves(members, rng)

    def balanced(decided: np.ndarray) -> float:
        own = members[judged]
        return float((decided[own].mean() + (~decided[~own]).mean()) / 2)

    found = {"correctness": balanced(logits[judged].argmax(-1) == labels[judged])}
    for name, function in METRICS.items():
        metric = function(logits, labels)
        for how, classes in (("one threshold", np.zeros_like(labels)), ("by class", labels)):
            number = int(classes.max()) + 1
            limits = class_thresholds(metric[known], members[known], classes[known], number)
            found[f"{name}, {how}"] = balanced(metric[judged] >= limits[classes[judged]])
    if network:
        plain = np.exp(confidences(logits))
        told = np.hstack([plain, np.eye(logits.shape[-1])[labels]])
        for name, features in (("network", np.sort(plain, -1)), ("network, label", told)):
            score = _network(features[known], members[known])
            found[name] = balanced(score(features[judged]))
    return found


def _network(features: np.ndarray, members: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A network of the shape of MemGuard's attacker (512, 256, 128, ReLU), trained by Adam."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    # A fit is many small products, which several BLAS threads slow down.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops after max_iter passes
        model = MLPClassifier((512, 256, 128), max_iter=40, random_state=0)
        return model.fit(features, members).predict


def run(evidence: Evidence, *, network: bool = True, seed: int = 0) -> dict[str, np.ndarray]:
    """All attacks on all targets: name -> balanced accuracy, float64 [targets].

    Raises:
      UserError: the targets' membership is unknown, or no logits are saved.
    """
    why = "it looks at confidences, and no logits are saved"
    members = members_of_classifiers(evidence, "half_known", why)
    rows, logits = [], evidence.each_target("logits")
    for target in progress.each("half known", range(len(members)), "targets"):
        rng = np.random.default_rng([seed, _STREAM, target])
        own = np.asarray(next(logits))
        rows.append(judge(own, evidence.labels, members[target], rng, network=network))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def to_csv(found: Mapping[str, np.ndarray]) -> str:
    """What half_known.csv holds: a row an attack and target, the target by its place."""
    return csv_table(
        ["attack", "target", "balanced_accuracy"],
        (
            {"attack": name, "target": target, "balanced_accuracy": value}
            for name, values in found.items()
            for target, value in enumerate(values.tolist())
        ),
    )
