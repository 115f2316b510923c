"""All attacks by name: the one table that drives lira-attack, its help and the README.

To add an attack, write a pure function of arrays in a file of its own and a line here.
"""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from lira_jax import progress
from lira_jax.attacks import reference_attacks, thresholds, trained
from lira_jax.attacks.base_attack import base
from lira_jax.attacks.class_thresholds import class_threshold_attack
from lira_jax.attacks.hardness import offset, sablayrolles, watson
from lira_jax.attacks.lira import lira
from lira_jax.attacks.long import long_attack
from lira_jax.attacks.privacy_risk import privacy_risk_score
from lira_jax.attacks.reference_lira import reference_lira
from lira_jax.attacks.rmia import rmia
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.inputs import by_query
from lira_jax.attacks.shared.signals import Signals
from lira_jax.errors import UserError, bad_choice

Run = Callable[[Evidence], np.ndarray]
Read = Callable[[Signals], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Scalar:
    """One number that a model gives of an example, such as the mean of phi over its queries.

    Attributes:
      name: of the attack that puts one threshold on it, or of the signal.
      read: signals -> float64 [models, examples], higher = more likely a member.
    """

    name: str
    read: Read


@dataclasses.dataclass(frozen=True)
class Attack:
    """An attack: run(evidence) -> float [targets, examples], higher = more likely a member.

    Attributes:
      run: the attack.
      summary: what it does, in a line.
      source: the paper and its section or equation.
      needs: the saved signals that it reads.
      threshold: of attacks that decide: member where the score is at least this.
      slow: whether it trains something for every target.
      extra: a package it needs that lira_jax does not install.
      on_signal: what it is called on any other scalar signal, such as watson in watson@hinge; empty
        if it makes sense on its own signal alone.
      run_on: name of a signal -> the attack on it, if there is `on_signal`.
      statistic: what the attack judges by. At one example its score rises with that (in online
        LiRA up to the far side of a parabola), so attacks on the same statistic differ in how they
        compare examples; with a threshold for each example (p_values.py) they are one test. None
        for an attack on whole outputs, on two values, or on neighbours.
    """

    run: Run
    summary: str
    source: str
    needs: tuple[str, ...] = ("phi",)
    threshold: float | None = None
    slow: bool = False
    extra: str = ""
    on_signal: str = ""
    run_on: Callable[[str], Run] | None = None
    statistic: Scalar | None = None


def _against(attack: Callable, read: Read, **options) -> Run:
    """An attack function on arrays (signal, keep, targets, observed), on what `read` takes of the
    signals."""
    return lambda e: attack(read(e.signals), e.keep, **e.targets.arguments(read), **options)


def _on_phi(attack: Callable, **options) -> Run:
    """An attack on phi of all queries."""
    return _against(attack, lambda s: s["phi"], **options)


def _on_plain(attack: Callable, signal: Callable, **options) -> Run:
    """An attack on a signal of the plain query, from phi [models, examples, queries]."""
    return _against(attack, lambda s: signal(s["phi"]), **options)


def _scalar(signals: Signals, name: str) -> np.ndarray:
    """A signal of one number a query, float [models, examples, queries].

    Raises:
      UserError: it is not saved, or has more numbers than one.
    """
    array = signals[name]
    if name == "logits" or array.ndim not in (2, 3):
        raise UserError(f"{name} is not one number an example; take a scalar signal, such as hinge")
    return by_query(array)


def _scalar_plain(signals: Signals, name: str) -> np.ndarray:
    """The same of the plain query, float64 [models, examples]."""
    return _scalar(signals, name)[:, :, 0].astype(np.float64)


def _mean(signal: str) -> Scalar:
    """The mean of a scalar signal over the queries."""
    return Scalar(f"{signal}_mean", lambda s: _scalar(s, signal).mean(2, dtype=np.float64))


def _plain(signal: str) -> Scalar:
    """A scalar signal of the plain query."""
    return Scalar(signal, lambda s: _scalar_plain(s, signal))


def _lira(name: str, summary: str, source: str, attack: Callable = lira, **options) -> Attack:
    """A form of LiRA, on all queries of any scalar signal."""
    two_sided = options.get("form") in ("density", "offline")  # it rises on both sides of the mean
    return Attack(
        _on_phi(attack, **options),
        summary,
        source,
        on_signal=name,
        run_on=lambda signal: _against(attack, lambda s: _scalar(s, signal), **options),
        statistic=None if two_sided else PHI_MEAN,
    )


def _by_hardness(
    name: str, attack: Callable, signal: Callable, summary: str, source: str, **bounds
) -> Attack:
    """An attack on lists of the plain query of any scalar signal."""
    return Attack(
        _on_plain(attack, signal),
        summary,
        source,
        on_signal=name,
        run_on=lambda other: _against(attack, lambda s: _scalar_plain(s, other), **bounds),
        statistic=PHI,
    )


def _within_bounds(signal: np.ndarray, keep: np.ndarray, targets=None, observed=None) -> np.ndarray:
    """Attack R on a signal without natural bounds: those of all that is there, models and
    targets."""
    both = [signal] if observed is None else [signal, observed]
    low, high = min(float(a.min()) for a in both), max(float(a.max()) for a in both)
    return reference_attacks.attack_r(signal, keep, targets, observed, low=low, high=high)


def _by_class(attack: Callable, read: Read) -> Run:
    """An attack on a statistic of the plain query, class by class."""
    return lambda e: attack(read(e.signals), e.labels, e.keep, **e.targets.arguments(read))


def _statistic(statistic: statistics.Statistic) -> Read:
    """A statistic of the plain logits."""
    return lambda s: statistics.of_models(statistic, s["logits"], s.labels)


def _class_threshold(
    statistic: statistics.Statistic, summary: str, judges_by: Scalar | None
) -> Attack:
    return Attack(
        _by_class(class_threshold_attack, _statistic(statistic)),
        summary,
        "Song and Mittal 2021, 3.1.2",
        ("logits",),
        0.0,
        on_signal="class_threshold",
        run_on=lambda name: _by_class(class_threshold_attack, lambda s: _scalar_plain(s, name)),
        statistic=judges_by,
    )


def _global(statistic: statistics.Statistic) -> Run:
    return lambda e: statistics.of_models(statistic, e.of_targets("logits"), e.labels)


def _threshold_on(name: str) -> Run:
    """The target's own signal."""

    def run(e: Evidence) -> np.ndarray:
        if name == "logits":
            _scalar(e.signals, name)
        return by_query(e.of_targets(name))[:, :, 0].astype(np.float64)

    return run


def _trained(name: str, summary: str, source: str, extra: str = "") -> Attack:
    def run(e: Evidence) -> np.ndarray:
        def read(s: Signals) -> np.ndarray:
            return s["logits"]

        with progress.bar(f"  {name}", e.targets.number, "targets", leave=False) as bar:
            return trained.trained_attack(
                read(e.signals),
                e.labels,
                e.keep,
                **e.targets.arguments(read),
                progress=bar.update,
                **trained.VARIANTS[name],
            )

    return Attack(run, summary, source, ("logits",), slow=True, extra=extra)


def _long(e: Evidence) -> np.ndarray:
    own = e.targets.arguments(lambda s: s["phi"])
    return long_attack(e.signals["phi"], e.signals["logits"], e.keep, **own)


_phi, _loss = thresholds.phi_plain, thresholds.loss

# The loss and the confidence rise with phi of the plain query: thresholds on them are thresholds on
# it, whose lists are nearer to normal.
PHI, PHI_MEAN = _plain("phi"), _mean("phi")
ENTROPY, MODIFIED_ENTROPY, MAXIMUM_SCORE = (
    Scalar(s.__name__, _statistic(s))
    for s in (statistics.entropy, statistics.modified_entropy, statistics.maximum_score)
)

ATTACKS: dict[str, Attack] = {
    # The likelihood ratio attack
    "lira_online": _lira(
        "lira_online",
        "likelihood ratio of in and out Gaussians, a variance an example",
        "Carlini et al. 2022, algorithm 1",
    ),
    "lira_online_fixed": _lira(
        "lira_online_fixed",
        "the same, one variance for all examples (few shadows)",
        "Carlini et al. 2022, VI-B",
        variance="residual",
    ),
    "lira_offline": _lira(
        "lira_offline",
        "one-sided test against the out Gaussian",
        "Carlini et al. 2022, equation 4",
        form="one_sided",
    ),
    "lira_offline_fixed": _lira(
        "lira_offline_fixed",
        "the same, one variance for all examples",
        "Carlini et al. 2022, VI-B",
        form="one_sided",
        variance="residual",
    ),
    "lira_offline_density": _lira(
        "lira_offline_density",
        "minus the out Gaussian's log density, two-sided",
        "tensorflow/privacy, mi_lira_2021",
        form="density",
    ),
    "lira_offline_density_fixed": _lira(
        "lira_offline_density_fixed",
        "the same, one variance for all examples",
        "tensorflow/privacy, mi_lira_2021",
        form="density",
        variance="residual",
    ),
    # Other attacks that know how hard an example is
    "rmia_online": Attack(
        _on_phi(rmia),
        "beats a population by a factor, relative to in and out shadows",
        "Zarifzadeh et al. 2024, equation 2",
        statistic=PHI_MEAN,
    ),
    "rmia_offline": Attack(
        _on_phi(rmia, online=False),
        "the same, from out shadows",
        "Zarifzadeh et al. 2024, offline",
        statistic=PHI_MEAN,
    ),
    "base_online": Attack(
        _on_phi(base),
        "log confidence above the log mean over shadows",
        "Lassila et al. 2025",
        statistic=PHI_MEAN,
    ),
    "base_offline": Attack(
        _on_phi(base, online=False),
        "the same, from out shadows",
        "Lassila et al. 2025",
        statistic=PHI_MEAN,
    ),
    "sablayrolles_loss": _by_hardness(
        "sablayrolles",
        sablayrolles,
        _loss,
        "loss against the middle of its in and out means",
        "Sablayrolles et al. 2019",
    ),
    "sablayrolles_phi": _by_hardness(
        "sablayrolles",
        sablayrolles,
        _phi,
        "phi against the middle of its in and out means",
        "Sablayrolles et al. 2019",
    ),
    "watson_loss": _by_hardness(
        "watson", watson, _loss, "loss against its out mean", "Watson et al. 2022"
    ),
    "watson_phi": _by_hardness(
        "watson", watson, _phi, "phi against its out mean", "Watson et al. 2022"
    ),
    "offset": _by_hardness(
        "offset",
        offset,
        _phi,
        "phi against the middle of its in and out medians",
        "tensorflow_privacy library",
    ),
    "attack_r": Attack(
        _on_plain(reference_attacks.attack_r, _loss),
        "percentile of the loss among out shadows",
        "Ye et al. 2022, attack R",
        on_signal="attack_r",
        run_on=lambda name: _against(_within_bounds, lambda s: _scalar_plain(s, name)),
        statistic=PHI,
    ),
    "attack_p": Attack(
        lambda e: reference_attacks.attack_p(_loss(e.of_targets("phi"))),
        "percentile of the loss in the pool",
        "Ye et al. 2022, attack P",
        statistic=PHI,
    ),
    "long": Attack(
        _long,
        "p-value of the loss, only for examples with few neighbours",
        "Long et al. 2018",
        ("phi", "logits"),
    ),
    # Attacks that learn from shadow models' outputs
    "shokri": _trained(
        "shokri", "a network a class on the confidence vector", "Shokri et al. 2017, V-D"
    ),
    "salem_top3": _trained(
        "salem_top3",
        "a network on the top three confidences",
        "Salem et al. 2019; Hintersdorf et al. 2022",
    ),
    "rezaei_nn": _trained(
        "rezaei_nn", "a network (128, 64) on the confidence vector", "Rezaei and Liu 2021"
    ),
    "random_forest": _trained(
        "random_forest", "a random forest on the confidence vector", "Rezaei and Liu 2021"
    ),
    "gradient_boosting": _trained(
        "gradient_boosting", "boosted trees on the confidence vector", "Rezaei and Liu 2021"
    ),
    "xgboost": _trained("xgboost", "the same by xgboost", "Rezaei and Liu 2021", "xgboost"),
    # Thresholds a class, chosen on shadow models
    "class_correctness": _class_threshold(
        statistics.correctness, "correctness, thresholds by class", None
    ),
    "class_confidence": _class_threshold(
        statistics.log_confidence, "confidence, thresholds by class", PHI
    ),
    "class_entropy": _class_threshold(statistics.entropy, "entropy, thresholds by class", ENTROPY),
    "class_modified_entropy": _class_threshold(
        statistics.modified_entropy, "modified entropy, thresholds by class", MODIFIED_ENTROPY
    ),
    "privacy_risk": Attack(
        _by_class(privacy_risk_score, _statistic(statistics.modified_entropy)),
        "probability of membership given modified entropy and class",
        "Song and Mittal 2021, equation 13",
        ("logits",),
        0.5,
    ),
    # Global thresholds on the target's own output
    "loss": Attack(
        lambda e: _loss(e.of_targets("phi")),
        "minus the loss",
        "Yeom et al. 2018",
        on_signal="threshold",
        run_on=_threshold_on,
        statistic=PHI,
    ),
    "confidence": Attack(
        _global(statistics.log_confidence),
        "confidence in the label",
        "Song and Mittal 2021, 3.1",
        ("logits",),
        statistic=PHI,
    ),
    "correctness": Attack(
        _global(statistics.correctness),
        "whether the prediction is right",
        "Leino and Fredrikson 2020; naive attack of Rezaei and Liu 2021",
        ("logits",),
        1.0,
    ),
    "entropy": Attack(
        _global(statistics.entropy),
        "minus the entropy of the prediction",
        "Song and Mittal 2021, 3.1",
        ("logits",),
        statistic=ENTROPY,
    ),
    "modified_entropy": Attack(
        _global(statistics.modified_entropy),
        "minus the modified entropy",
        "Song and Mittal 2021, equation 8",
        ("logits",),
        statistic=MODIFIED_ENTROPY,
    ),
    "maximum_score": Attack(
        _global(statistics.maximum_score),
        "the largest confidence",
        "Hintersdorf et al. 2022",
        ("logits",),
        statistic=MAXIMUM_SCORE,
    ),
    "phi": Attack(
        lambda e: _phi(e.of_targets("phi")),
        "the scaled logit",
        "Carlini et al. 2022, IV-C",
        statistic=PHI,
    ),
    "phi_mean": Attack(
        lambda e: thresholds.phi_mean(e.of_targets("phi")),
        "the scaled logit, mean over queries",
        "tensorflow/privacy, mi_lira_2021 (global)",
        statistic=PHI_MEAN,
    ),
    "zero_r": Attack(
        _global(statistics.zero_r), "a constant: the floor", "Rezaei and Liu 2021", ("logits",)
    ),
}

COMPATIBLE: dict[str, dict[str, Attack]] = {
    "": {},
    "tf_privacy": {
        name: _lira(
            name,
            f"{name} as the reference code has it",
            "tensorflow/privacy, mi_lira_2021",
            reference_lira,
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


def named(text: str) -> list[str]:
    """Names of attacks, in the table's order.

    Args:
      text: names, comma separated; all; or fast, which leaves out those that train something for
        every target. An attack whose package is not installed is in neither.

    Raises:
      UserError: a name is not in the table.
    """
    installed = [n for n, a in ATTACKS.items() if not a.extra or importlib.util.find_spec(a.extra)]
    if text == "all":
        return installed
    if text == "fast":
        return [n for n in installed if not ATTACKS[n].slow]
    names = [n.strip() for n in text.split(",")]
    others = on_signals(names, ATTACKS)
    for name in names:
        if name not in ATTACKS and name not in others:
            raise bad_choice("--attacks", name, ["all", "fast", *ATTACKS])
    return [n for n in (*ATTACKS, *others) if n in names]


def _on(signal: str, statistic: Scalar | None) -> Scalar | None:
    """What an attack that judges by a statistic judges by on another signal."""
    if statistic is None:
        return None
    return _mean(signal) if statistic is PHI_MEAN else _plain(signal)


def on_signals(names: Iterable[str], table: Mapping[str, Attack]) -> dict[str, Attack]:
    """The attacks of a table on other signals, of those names that ask for one: ATTACK@SIGNAL.

    Raises:
      UserError: the attack is not in the table, or reads no other signal.
    """
    bases = {attack.on_signal: attack for attack in table.values() if attack.on_signal}
    found = {}
    for name in names:
        base, at, signal = name.partition("@")
        if not at:
            continue
        if base not in bases and base in table:
            raise UserError(
                f"--attacks={name}: {base} reads no other signal than its own; these take any: "
                f"{', '.join(bases)}"
            )
        if base not in bases:
            raise bad_choice("--attacks", name, [f"{b}@{signal}" for b in bases])
        attack = bases[base]
        assert attack.run_on is not None, "it stands beside on_signal"
        found[name] = dataclasses.replace(
            attack,
            run=attack.run_on(signal),
            summary=f"{base} on the signal {signal}",
            needs=(signal,),
            statistic=_on(signal, attack.statistic),
        )
    return found
