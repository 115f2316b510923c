"""All attacks by name: the one table that drives lira-attack, its help and the README.

To add an attack, write a pure function of arrays in a file of its own and a line here.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from lira_jax.attacks import lira, reference_lira, thresholds
from lira_jax.attacks.evidence import Evidence


@dataclasses.dataclass(frozen=True)
class Attack:
    """An attack: run(evidence) -> float [targets, examples], higher = more likely a member."""

    run: Callable[[Evidence], np.ndarray]
    summary: str
    source: str


def _lira(evidence: Evidence, **variant) -> np.ndarray:
    return lira.lira(evidence.phi, evidence.keep, evidence.targets, evidence.outside_phi, **variant)


def _reference(evidence: Evidence, **variant) -> np.ndarray:
    return reference_lira.reference_lira(
        evidence.phi, evidence.keep, evidence.targets, evidence.outside_phi, **variant
    )  # fmt: skip


def _variant(summary: str, source: str, run: Callable, **options) -> Attack:
    return Attack(functools.partial(run, **options), summary, source)


_LIRA = "Carlini et al. 2022"
_CODE = "tensorflow/privacy, mi_lira_2021"

ATTACKS: dict[str, Attack] = {
    "lira_online": _variant(
        "likelihood ratio of in and out Gaussians, a variance for each example", f"{_LIRA}, algorithm 1",
        _lira, form="online", variance="example",
    ),
    "lira_online_fixed": _variant(
        "the same with one variance for all examples, for few shadow models", f"{_LIRA}, VI-B",
        _lira, form="online", variance="residual",
    ),
    "lira_offline": _variant(
        "one-sided test against the out Gaussian", f"{_LIRA}, equation 4", _lira, form="one_sided", variance="example",
    ),
    "lira_offline_fixed": _variant(
        "the same with one variance for all examples", f"{_LIRA}, equation 4 and VI-B",
        _lira, form="one_sided", variance="residual",
    ),
    "lira_offline_density": _variant(
        "minus the out Gaussian's log density, two-sided", _CODE, _lira, form="density", variance="example",
    ),
    "lira_offline_density_fixed": _variant(
        "the same with one variance for all examples", _CODE, _lira, form="density", variance="residual",
    ),
    "loss": Attack(
        lambda e: thresholds.loss(e.target_phi), "global threshold on the loss", "Yeom et al. 2018",
    ),
    "phi": Attack(
        lambda e: thresholds.phi_plain(e.target_phi), "global threshold on the scaled logit", f"{_LIRA}, IV-C",
    ),
    "phi_mean": Attack(
        lambda e: thresholds.phi_mean(e.target_phi), "global threshold on the scaled logit, mean over queries", _CODE,
    ),
}  # fmt: skip

COMPATIBLE: dict[str, dict[str, Attack]] = {
    "": {},
    "tf_privacy": {
        "lira_online": _variant("the reference code's online attack", _CODE, _reference, form="online"),
        "lira_online_fixed": _variant(
            "the reference code's online attack, fixed variance", _CODE, _reference, form="online", fixed=True
        ),
        "lira_offline": _variant("the reference code's offline attack", _CODE, _reference, form="offline"),
        "lira_offline_fixed": _variant(
            "the reference code's offline attack, fixed variance", _CODE, _reference, form="offline", fixed=True
        ),
    },
}
"""What `--compat` puts in the place of attacks of the same name."""
