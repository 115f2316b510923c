"""All attacks by name: the one table that drives lira-attack, its help and the README.

To add an attack, write a pure function of arrays in a file of its own and a line here.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from lira_jax import progress
from lira_jax.attacks import metrics, reference_attacks, thresholds, trained
from lira_jax.attacks.base_attack import base
from lira_jax.attacks.class_thresholds import class_threshold_attack
from lira_jax.attacks.hardness import offset, sablayrolles, watson
from lira_jax.attacks.lira import lira
from lira_jax.attacks.long import long_attack
from lira_jax.attacks.privacy_risk import privacy_risk_score
from lira_jax.attacks.reference_lira import reference_lira
from lira_jax.attacks.rmia import rmia
from lira_jax.attacks.shared.evidence import Evidence


@dataclasses.dataclass(frozen=True)
class Attack:
    """An attack: run(evidence) -> float [targets, examples], higher = more likely a member.

    Attributes:
      run: the attack.
      summary: what it does, in a line.
      source: the paper and its section or equation.
      threshold: of attacks that decide: member where the score is at least this.
      slow: whether it trains something for every target.
      extra: a package it needs that lira_jax does not install.
    """

    run: Callable[[Evidence], np.ndarray]
    summary: str
    source: str
    threshold: float | None = None
    slow: bool = False
    extra: str = ""


def _on_phi(attack: Callable, **options) -> Callable[[Evidence], np.ndarray]:
    """An attack on phi of all queries."""
    return lambda e: attack(e.phi, e.keep, e.targets, e.outside_phi, **options)


def _on_plain(attack: Callable, signal: Callable, **options) -> Callable[[Evidence], np.ndarray]:
    """An attack on a signal of the plain query, from phi [models, examples, queries]."""

    def run(e: Evidence) -> np.ndarray:
        outside = None if e.outside_phi is None else signal(e.outside_phi)
        return attack(signal(e.phi), e.keep, e.targets, outside, **options)

    return run


def _by_class(attack: Callable, metric: metrics.Metric) -> Callable[[Evidence], np.ndarray]:
    """An attack on a metric of the plain logits, class by class."""

    def run(e: Evidence) -> np.ndarray:
        outside = (
            None
            if e.outside_logits is None
            else metrics.of_models(metric, e.outside_logits, e.labels)
        )
        return attack(
            metrics.of_models(metric, e.shadow_logits, e.labels),
            e.labels,
            e.keep,
            e.targets,
            outside,
        )

    return run


def _global(metric: metrics.Metric) -> Callable[[Evidence], np.ndarray]:
    return lambda e: metrics.of_models(metric, e.target_logits, e.labels)


def _trained(name: str) -> Callable[[Evidence], np.ndarray]:
    def run(e: Evidence) -> np.ndarray:
        targets = e.outside_logits if e.targets is None else e.targets
        with progress.bar(f"  {name}", len(targets), "targets", leave=False) as bar:
            return trained.trained_attack(
                e.shadow_logits,
                e.labels,
                e.keep,
                e.targets,
                e.outside_logits,
                progress=bar.update,
                **trained.VARIANTS[name],
            )

    return run


def _long(e: Evidence) -> np.ndarray:
    return long_attack(e.phi, e.shadow_logits, e.keep, e.targets, e.outside_phi)


_phi, _loss = thresholds.phi_plain, thresholds.loss

ATTACKS: dict[str, Attack] = {
    # The likelihood ratio attack
    "lira_online": Attack(
        _on_phi(lira),
        "likelihood ratio of in and out Gaussians, a variance an example",
        "Carlini et al. 2022, algorithm 1",
    ),
    "lira_online_fixed": Attack(
        _on_phi(lira, variance="residual"),
        "the same, one variance for all examples (few shadows)",
        "Carlini et al. 2022, VI-B",
    ),
    "lira_offline": Attack(
        _on_phi(lira, form="one_sided"),
        "one-sided test against the out Gaussian",
        "Carlini et al. 2022, equation 4",
    ),
    "lira_offline_fixed": Attack(
        _on_phi(lira, form="one_sided", variance="residual"),
        "the same, one variance for all examples",
        "Carlini et al. 2022, VI-B",
    ),
    "lira_offline_density": Attack(
        _on_phi(lira, form="density"),
        "minus the out Gaussian's log density, two-sided",
        "tensorflow/privacy, mi_lira_2021",
    ),
    "lira_offline_density_fixed": Attack(
        _on_phi(lira, form="density", variance="residual"),
        "the same, one variance for all examples",
        "tensorflow/privacy, mi_lira_2021",
    ),
    # Other attacks that know how hard an example is
    "rmia_online": Attack(
        _on_phi(rmia),
        "beats a population by a factor, relative to in and out shadows",
        "Zarifzadeh et al. 2024, equation 2",
    ),
    "rmia_offline": Attack(
        _on_phi(rmia, online=False), "the same, from out shadows", "Zarifzadeh et al. 2024, offline"
    ),
    "base_online": Attack(
        _on_phi(base), "log confidence above the log mean over shadows", "Lassila et al. 2025"
    ),
    "base_offline": Attack(
        _on_phi(base, online=False), "the same, from out shadows", "Lassila et al. 2025"
    ),
    "sablayrolles_loss": Attack(
        _on_plain(sablayrolles, _loss),
        "loss against the middle of its in and out means",
        "Sablayrolles et al. 2019",
    ),
    "sablayrolles_phi": Attack(
        _on_plain(sablayrolles, _phi),
        "phi against the middle of its in and out means",
        "Sablayrolles et al. 2019",
    ),
    "watson_loss": Attack(
        _on_plain(watson, _loss), "loss against its out mean", "Watson et al. 2022"
    ),
    "watson_phi": Attack(_on_plain(watson, _phi), "phi against its out mean", "Watson et al. 2022"),
    "offset": Attack(
        _on_plain(offset, _phi),
        "phi against the middle of its in and out medians",
        "tensorflow_privacy library",
    ),
    "attack_r": Attack(
        _on_plain(reference_attacks.attack_r, _loss),
        "percentile of the loss among out shadows",
        "Ye et al. 2022, attack R",
    ),
    "attack_p": Attack(
        lambda e: reference_attacks.attack_p(_loss(e.target_phi)),
        "percentile of the loss in the pool",
        "Ye et al. 2022, attack P",
    ),
    "long": Attack(
        _long, "p-value of the loss, only for examples with few neighbours", "Long et al. 2018"
    ),
    # Attacks that learn from shadow models' outputs
    "shokri": Attack(
        _trained("shokri"),
        "a network a class on the confidence vector",
        "Shokri et al. 2017, V-D",
        slow=True,
    ),
    "salem_top3": Attack(
        _trained("salem_top3"),
        "a network on the top three confidences",
        "Salem et al. 2019; Hintersdorf et al. 2022",
        slow=True,
    ),
    "rezaei_nn": Attack(
        _trained("rezaei_nn"),
        "a network (128, 64) on the confidence vector",
        "Rezaei and Liu 2021",
        slow=True,
    ),
    "random_forest": Attack(
        _trained("random_forest"),
        "a random forest on the confidence vector",
        "Rezaei and Liu 2021",
        slow=True,
    ),
    "gradient_boosting": Attack(
        _trained("gradient_boosting"),
        "boosted trees on the confidence vector",
        "Rezaei and Liu 2021",
        slow=True,
    ),
    "xgboost": Attack(
        _trained("xgboost"),
        "the same by xgboost",
        "Rezaei and Liu 2021",
        slow=True,
        extra="xgboost",
    ),
    # Thresholds a class, chosen on shadow models
    "class_correctness": Attack(
        _by_class(class_threshold_attack, metrics.correctness),
        "correctness, thresholds by class",
        "Song and Mittal 2021, 3.1.2",
        0.0,
    ),
    "class_confidence": Attack(
        _by_class(class_threshold_attack, metrics.confidence),
        "confidence, thresholds by class",
        "Song and Mittal 2021, 3.1.2",
        0.0,
    ),
    "class_entropy": Attack(
        _by_class(class_threshold_attack, metrics.entropy),
        "entropy, thresholds by class",
        "Song and Mittal 2021, 3.1.2",
        0.0,
    ),
    "class_modified_entropy": Attack(
        _by_class(class_threshold_attack, metrics.modified_entropy),
        "modified entropy, thresholds by class",
        "Song and Mittal 2021, 3.1.2",
        0.0,
    ),
    "privacy_risk": Attack(
        _by_class(privacy_risk_score, metrics.modified_entropy),
        "probability of membership given modified entropy and class",
        "Song and Mittal 2021, equation 13",
        0.5,
    ),
    # Global thresholds on the target's own output
    "loss": Attack(lambda e: _loss(e.target_phi), "minus the loss", "Yeom et al. 2018"),
    "confidence": Attack(
        _global(metrics.confidence), "confidence in the label", "Song and Mittal 2021, 3.1"
    ),
    "correctness": Attack(
        _global(metrics.correctness),
        "whether the prediction is right",
        "Leino and Fredrikson 2020; naive attack of Rezaei and Liu 2021",
        1.0,
    ),
    "entropy": Attack(
        _global(metrics.entropy), "minus the entropy of the prediction", "Song and Mittal 2021, 3.1"
    ),
    "modified_entropy": Attack(
        _global(metrics.modified_entropy),
        "minus the modified entropy",
        "Song and Mittal 2021, equation 8",
    ),
    "maximum_score": Attack(
        _global(metrics.maximum_score), "the largest confidence", "Hintersdorf et al. 2022"
    ),
    "phi": Attack(lambda e: _phi(e.target_phi), "the scaled logit", "Carlini et al. 2022, IV-C"),
    "phi_mean": Attack(
        lambda e: thresholds.phi_mean(e.target_phi),
        "the scaled logit, mean over queries",
        "tensorflow/privacy, mi_lira_2021 (global)",
    ),
    "zero_r": Attack(_global(metrics.zero_r), "a constant: the floor", "Rezaei and Liu 2021"),
}

COMPATIBLE: dict[str, dict[str, Attack]] = {
    "": {},
    "tf_privacy": {
        name: Attack(
            _on_phi(reference_lira, form=form, fixed=fixed),
            f"{name} as the reference code has it",
            "tensorflow/privacy, mi_lira_2021",
        )
        for name, form, fixed in (
            ("lira_online", "online", False),
            ("lira_online_fixed", "online", True),
            ("lira_offline", "offline", False),
            ("lira_offline_fixed", "offline", True),
        )
    },
}
"""What `--compat` puts in the place of attacks of the same name."""

ABLATION: tuple[tuple[str, Callable[[Evidence], np.ndarray]], ...] = (
    ("LOSS attack", ATTACKS["loss"].run),
    ("+ logit scaling", ATTACKS["phi"].run),
    ("+ multiple queries", ATTACKS["phi_mean"].run),
    ("LOSS attack", ATTACKS["loss"].run),
    ("+ per-example thresholds (in, out)", ATTACKS["sablayrolles_loss"].run),
    ("+ logit scaling", ATTACKS["sablayrolles_phi"].run),
    ("+ Gaussian likelihood", _on_plain(lira, _phi)),
    ("+ multiple queries (online LiRA)", ATTACKS["lira_online"].run),
    ("LOSS attack", ATTACKS["loss"].run),
    ("+ per-example thresholds (out only)", ATTACKS["watson_loss"].run),
    ("+ logit scaling", ATTACKS["watson_phi"].run),
    ("+ Gaussian likelihood", _on_plain(functools.partial(lira, form="one_sided"), _phi)),
    ("+ multiple queries (offline LiRA)", ATTACKS["lira_offline"].run),
)
"""The rows of Carlini et al. 2022, table II, in its order: what each component of LiRA adds."""
