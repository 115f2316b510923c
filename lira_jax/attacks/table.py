"""All attacks by name: the one table that drives lira-attack, its help and the README.

To add an attack, write a pure function of arrays in a file of its own and a line here; kinds.py has
the kinds of lines, papers.py the links of the sources.
"""

from collections.abc import Callable

import numpy as np

from lira_jax.attacks import reference_attacks, rmia_lines, thresholds
from lira_jax.attacks.base_attack import base
from lira_jax.attacks.bavaria import bavaria
from lira_jax.attacks.hardness import offset, sablayrolles, watson
from lira_jax.attacks.kinds import (
    ENTROPY,
    MAXIMUM_SCORE,
    MODIFIED_ENTROPY,
    PHI,
    PHI_MEAN,
    Attack,
    against,
    by_hardness,
    of_lira,
    of_targets,
    on_phi,
    on_plain,
    on_queries,
    scalar_plain,
    threshold_on,
)
from lira_jax.attacks.long import long_attack, long_fraction
from lira_jax.attacks.moderated import moderated
from lira_jax.attacks.pair_kinds import class_threshold, learned, merlin_line, risk
from lira_jax.attacks.predicted import predicted
from lira_jax.attacks.reference_lira import reference_lira
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.lists import EACH, OUT, TWO_OUT
from lira_jax.attacks.text_kinds import of_text, windows_of_text

_phi, _loss = thresholds.phi_plain, thresholds.loss


def _on_few(function: Callable[..., np.ndarray]) -> Callable[[Evidence], np.ndarray]:
    """An attack of Long et al., on the examples whose logits are like no other's."""

    def attack(e: Evidence) -> np.ndarray:
        own = e.targets.arguments(lambda s: s["phi"])
        return function(e.signals["phi"], e.signals["logits"], e.keep, **own)

    return attack


ATTACKS: dict[str, Attack] = {
    # The likelihood ratio attack
    "lira_online": of_lira(
        "lira_online",
        "likelihood ratio of in and out Gaussians, a variance an example and list",
        "Carlini et al. 2022, algorithm 1 and IV-C",
    ),
    "lira_online_diagonal": of_lira(
        "lira_online_diagonal",
        "the same, a variance an example, list and query",
        "tensorflow/privacy, mi_lira_2021",
        variance="diagonal",
    ),
    "lira_online_fixed": of_lira(
        "lira_online_fixed",
        "the same, a variance for all examples (few shadows)",
        "Carlini et al. 2022, VI-B",
        variance="residual",
    ),
    "lira_offline": of_lira(
        "lira_offline",
        "one-sided test against the out Gaussian",
        "Carlini et al. 2022, equation 4",
        form="one_sided",
    ),
    "lira_offline_diagonal": of_lira(
        "lira_offline_diagonal",
        "the same, a variance an example and query",
        "Carlini et al. 2022, equation 4; tensorflow/privacy, mi_lira_2021",
        form="one_sided",
        variance="diagonal",
    ),
    "lira_offline_fixed": of_lira(
        "lira_offline_fixed",
        "the same, a variance for all examples",
        "Carlini et al. 2022, equation 4 and VI-B",
        form="one_sided",
        variance="residual",
    ),
    "lira_offline_density": of_lira(
        "lira_offline_density",
        "minus the out Gaussian's log density, two-sided",
        "tensorflow/privacy, mi_lira_2021",
        form="density",
    ),
    "lira_offline_density_diagonal": of_lira(
        "lira_offline_density_diagonal",
        "the same, a variance an example and query",
        "tensorflow/privacy, mi_lira_2021",
        form="density",
        variance="diagonal",
    ),
    "lira_offline_density_fixed": of_lira(
        "lira_offline_density_fixed",
        "the same, a variance for all examples",
        "tensorflow/privacy, mi_lira_2021",
        form="density",
        variance="residual",
    ),
    # The same with variances that borrow from other examples
    "lira_moderated": on_queries(
        "lira_moderated",
        moderated,
        "likelihood ratio of in and out Student's t, variances weighed between example and all",
        "ours, after Smyth 2004; Carlini et al. 2022",
        EACH,
    ),
    "lira_moderated_offline": on_queries(
        "lira_moderated_offline",
        moderated,
        "one-sided test against the out Student's t",
        "ours, after Smyth 2004; Carlini et al. 2022, equation 4",
        OUT,
        form="one_sided",
    ),
    "lira_offline_predicted": on_queries(
        "lira_offline_predicted",
        predicted,
        "likelihood ratio, the in Gaussian predicted from other examples",
        "ours, after Carlini et al. 2022",
        TWO_OUT,
        learns=True,
    ),
    "bavaria_n": on_queries(
        "bavaria_n",
        bavaria,
        "likelihood ratio of Gaussians with a prior on mean and variance",
        "Brannvall 2026, BaVarIA-n",
        EACH,
        predictive="normal",
    ),
    "bavaria_t": on_queries(
        "bavaria_t",
        bavaria,
        "likelihood ratio of Student's t with a prior on mean and variance",
        "Brannvall 2026, BaVarIA-t",
        EACH,
    ),
    "bavaria_n_offline": on_queries(
        "bavaria_n_offline",
        bavaria,
        "BaVarIA-n, the in class by its prior alone",
        "Brannvall 2026, offline",
        OUT,
        two_sided=True,
        learns=True,
        predictive="normal",
        online=False,
    ),
    "bavaria_t_offline": on_queries(
        "bavaria_t_offline",
        bavaria,
        "BaVarIA-t, the in class by its prior alone",
        "Brannvall 2026, offline",
        OUT,
        two_sided=True,
        learns=True,
        online=False,
    ),
    # Other attacks that know how hard an example is
    "rmia_online": rmia_lines.line(
        "beats a population by a factor, relative to in and out shadows",
        "Zarifzadeh et al. 2024, equation 2",
        online=True,
    ),
    "rmia_offline": rmia_lines.line(
        "the same, from out shadows", "Zarifzadeh et al. 2024, offline", online=False
    ),
    "base_online": on_phi(
        base, "log confidence above the log mean over shadows", "Lassila et al. 2025", EACH
    ),
    "base_offline": on_phi(
        base, "the same, from out shadows", "Lassila et al. 2025", OUT, online=False
    ),
    "sablayrolles_loss": by_hardness(
        "sablayrolles",
        sablayrolles,
        _loss,
        "loss against the middle of its in and out means",
        "Sablayrolles et al. 2019",
        EACH,
    ),
    "sablayrolles_phi": by_hardness(
        "sablayrolles",
        sablayrolles,
        _phi,
        "phi against the middle of its in and out means",
        "Sablayrolles et al. 2019",
        EACH,
    ),
    "watson_loss": by_hardness(
        "watson", watson, _loss, "loss against its out mean", "Watson et al. 2022", OUT
    ),
    "watson_phi": by_hardness(
        "watson", watson, _phi, "phi against its out mean", "Watson et al. 2022", OUT
    ),
    "offset": by_hardness(
        "offset",
        offset,
        _phi,
        "phi against the middle of its in and out medians",
        "tensorflow_privacy library",
        EACH,
    ),
    "attack_r": Attack(
        on_plain(reference_attacks.attack_r, _loss),
        "percentile of the loss among out shadows",
        "Ye et al. 2022, attack R",
        on_signal="attack_r",
        run_on=lambda name: against(
            reference_attacks.attack_r, lambda s: scalar_plain(s, name), low=None, high=None
        ),
        fewest=OUT,
        statistic=PHI,
    ),
    "attack_p": Attack(
        lambda e: reference_attacks.attack_p(_loss(e.of_targets("phi"))),
        "percentile of the loss in the pool",
        "Ye et al. 2022, attack P",
        statistic=PHI,
    ),
    "long": Attack(
        _on_few(long_attack),
        "p-value of the loss, only for examples with few neighbours",
        "Long et al. 2018",
        ("phi", "logits"),
        fewest=OUT,
    ),
    "long_fraction": Attack(
        _on_few(long_fraction),
        "the same, only for the tenth of the examples whose nearest neighbour is farthest",
        "Carlini et al. 2022, VI-A; Long et al. 2018",
        ("phi", "logits"),
        fewest=OUT,
    ),
    # Attacks that learn from shadow models' outputs
    "shokri": learned(
        "shokri", "a network a class on the confidence vector", "Shokri et al. 2017, V-D"
    ),
    "shokri_softmax": learned(
        "shokri_softmax",
        "the same on the raw vector of probabilities",
        "Shokri et al. 2017, V-D",
    ),
    "shokri_logits": learned(
        "shokri_logits",
        "the same on the raw logits",
        "Shokri et al. 2017, V-D; Carlini et al. 2022, which runs it so",
    ),
    "salem_top3": learned(
        "salem_top3",
        "a network on the top three confidences",
        "Salem et al. 2019; Hintersdorf et al. 2022",
        on_probes=True,
    ),
    "rezaei_nn": learned(
        "rezaei_nn", "a network (128, 64) on the confidence vector", "Rezaei and Liu 2021"
    ),
    "logistic_regression": learned(
        "logistic_regression",
        "logistic regression on the confidence vector",
        "Rezaei and Liu 2021, 5.3 and 5.4, on other signals",
    ),
    "random_forest": learned(
        "random_forest", "a random forest on the confidence vector", "Rezaei and Liu 2021"
    ),
    "gradient_boosting": learned(
        "gradient_boosting",
        "boosted trees on the confidence vector",
        "ours, after the XGBoost of Rezaei and Liu 2021",
    ),
    "xgboost": learned("xgboost", "the same by xgboost", "Rezaei and Liu 2021", "xgboost"),
    # Thresholds a class, chosen on shadow models
    "class_correctness": class_threshold(
        statistics.correctness,
        "correctness, thresholds by class (the paper's has none)",
        "Song and Mittal 2021, 3.1.1, equation 5",
    ),
    "class_confidence": class_threshold(
        statistics.log_confidence,
        "confidence, thresholds by class",
        "Song and Mittal 2021, 3.1.2, equation 6",
        PHI,
    ),
    "class_entropy": class_threshold(
        statistics.entropy,
        "entropy, thresholds by class",
        "Song and Mittal 2021, 3.1.2, equation 7",
        ENTROPY,
    ),
    "class_modified_entropy": class_threshold(
        statistics.modified_entropy,
        "modified entropy, thresholds by class",
        "Song and Mittal 2021, 3.1.3, equations 8 and 9",
        MODIFIED_ENTROPY,
    ),
    "privacy_risk": risk(
        "probability of membership given modified entropy and class",
        "Song and Mittal 2021, 4.1, equation 12",
    ),
    # Global thresholds on the target's own output
    "loss": Attack(
        lambda e: _loss(e.of_targets("phi")),
        "minus the loss",
        "Yeom et al. 2018",
        on_signal="threshold",
        run_on=threshold_on,
        statistic=PHI,
    ),
    "confidence": of_targets(
        statistics.log_confidence,
        "confidence in the label",
        "Yeom et al. 2018; Song and Mittal 2021, 3.1.2, equation 6, without classes",
        judges_by=PHI,
    ),
    "correctness": of_targets(
        statistics.correctness,
        "whether the prediction is right",
        "Leino and Fredrikson 2020; Song and Mittal 2021, 3.1.1, equation 5; naive attack of "
        "Rezaei and Liu 2021",
        1.0,
    ),
    "entropy": of_targets(
        statistics.entropy,
        "minus the entropy of the prediction",
        "Salem et al. 2019; Song and Mittal 2021, 3.1.2, equation 7, without classes",
        judges_by=ENTROPY,
    ),
    "modified_entropy": of_targets(
        statistics.modified_entropy,
        "minus the modified entropy",
        "Song and Mittal 2021, 3.1.3, equation 8",
        judges_by=MODIFIED_ENTROPY,
    ),
    "maximum_score": of_targets(
        statistics.maximum_score,
        "the largest confidence",
        "Salem et al. 2019; Hintersdorf et al. 2022",
        judges_by=MAXIMUM_SCORE,
    ),
    "phi": Attack(
        lambda e: _phi(e.of_targets("phi")),
        "the scaled logit",
        "Carlini et al. 2022, IV-C and VI-A",
        statistic=PHI,
    ),
    "phi_mean": Attack(
        lambda e: thresholds.phi_mean(e.of_targets("phi")),
        "the scaled logit, mean over queries",
        "tensorflow/privacy, mi_lira_2021 (global)",
        statistic=PHI_MEAN,
    ),
    "merlin": merlin_line(
        "how often noise raises the loss, its scale chosen on other models",
        "Jayaraman et al. 2021",
    ),
    # On text alone
    "zlib": of_text(
        "zlib",
        "of text, the loss by the bytes that zlib makes of it",
        "Carlini et al. 2021, 5.2",
        "phi",
    ),
    "min_k": of_text(
        "min_k",
        "of text, mean log p of the least likely fifth of the tokens",
        "Shi et al. 2024, Min-K% Prob",
        "token_losses",
    ),
    "min_k_plus": of_text(
        "min_k_plus",
        "of text, the same of log p standardised by all tokens that could stand there",
        "Zhang et al. 2025, Min-K%++, equation 3",
        "token_z",
    ),
    "wbc": windows_of_text(
        "of text, share of windows that the target knows better than out shadows",
        "Chen et al. 2026, WBC",
    ),
    "zero_r": of_targets(
        statistics.zero_r, "a constant: the floor", "Rezaei and Liu 2021, table 2", 0.0
    ),
}

COMPATIBLE: dict[str, dict[str, Attack]] = {
    "": {},
    "tf_privacy": {
        name: on_queries(
            name,
            reference_lira,
            f"{name} as the reference code has it",
            "tensorflow/privacy, mi_lira_2021",
            EACH if form == "online" else OUT,
            two_sided=form == "offline",
            form=form,
            fixed=fixed,
        )
        for name, form, fixed in (
            ("lira_online", "online", False),
            ("lira_online_fixed", "online", True),
            ("lira_offline", "offline", False),
            ("lira_offline_fixed", "offline", True),
        )
    },
    "rmia": {
        name: rmia_lines.reference_line(
            name, "privacytrustlab/ml_privacy_meter, 2024_rmia", online=name == "rmia_online"
        )
        for name in ("rmia_online", "rmia_offline")
    },
}
"""What `--compat` puts in the place of attacks of the same name."""
