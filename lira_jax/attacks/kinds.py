"""How a line of the table of attacks is made: what an attack is, and the kinds of them.

An attack is a pure function of arrays in a file of its own. A kind says what the function is given
of the evidence, and on which other signals the attack makes sense.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from lira_jax.attacks import lira as lira_lib
from lira_jax.attacks import thresholds
from lira_jax.attacks.options import Option, Value
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.inputs import by_query, query_mean
from lira_jax.attacks.shared.lists import Fewest
from lira_jax.attacks.shared.plain import is_plain
from lira_jax.attacks.shared.signals import Signals
from lira_jax.errors import UserError

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
      run: the attack; NaN where an example has too few shadow scores.
      summary: what it does, in a line.
      source: papers with section or equation, separated by semicolons (papers.py).
      needs: the saved signals that it reads.
      threshold: of attacks that decide: member where the score is at least this.
      fallback: the same where no shadow model can be attacked to choose a threshold on.
      slow: whether it trains something for every target.
      extra: a package it needs that lira_jax does not install.
      on_signal: what it is called on any other scalar signal, such as watson in watson@hinge; empty
        if it makes sense on its own signal alone.
      run_on: name of a signal -> the attack on it, if there is `on_signal`.
      fewest: how many shadow scores an example needs; None if it needs none of its own.
      statistic: what the attack judges by. At one example its score rises with that (in online
        LiRA up to the far side of a parabola), so attacks on the same statistic differ in how they
        compare examples; with a threshold for each example (p_values.py) they are one test. None
        for an attack on whole outputs, on two values, or on neighbours.
      caveat: (evidence, scores) -> what these scores cannot say, in words; empty if nothing.
      options: what a user can give it beside its name (options.py).
      build: (value of each option) -> the attack with these, if there are options.
      by_model: whether it reads the signals of a model after the other's and keeps none of them.
      text: whether it is on models of text alone.
    """

    run: Run
    summary: str
    source: str
    needs: tuple[str, ...] = ("phi",)
    threshold: float | None = None
    fallback: float | None = None
    slow: bool = False
    extra: str = ""
    on_signal: str = ""
    run_on: Callable[[str], Run] | None = None
    fewest: Fewest | None = None
    statistic: Scalar | None = None
    caveat: Callable[[Evidence, np.ndarray], str] | None = None
    options: tuple[Option, ...] = ()
    build: "Callable[[Mapping[str, Value]], Attack] | None" = None
    by_model: bool = False
    text: bool = False


def optional(build: Callable[[Mapping[str, Value]], Attack], *options: Option) -> Attack:
    """An attack that takes options, with their defaults."""
    default = build({option.name: option.default for option in options})
    return dataclasses.replace(default, options=options, build=build)


def against(attack: Callable, read: Read, **options) -> Run:
    """An attack function on arrays (signal, keep, targets, observed), on what `read` takes of the
    signals."""
    return lambda e: attack(read(e.signals), e.keep, **e.targets.arguments(read), **options)


def learning(attack: Callable, read: Read, **options) -> Run:
    """The same, with what it can learn from examples that are not under attack: training_set."""
    return lambda e: attack(
        read(e.signals),
        e.keep,
        **e.targets.arguments(read),
        training_set=e.training_set(read),
        **options,
    )


def on_plain(attack: Callable, signal: Callable = thresholds.phi_plain, **options) -> Run:
    """An attack on a signal of the plain query, from phi [models, examples, queries]."""
    return against(attack, lambda s: signal(s["phi"]), **options)


def scalar(signals: Signals, name: str) -> np.ndarray:
    """A signal of one number a query, float [models, examples, queries].

    Raises:
      UserError: it is not saved, or has more numbers than one.
    """
    array = signals[name]
    if array.ndim not in ((2,) if is_plain(name) else (2, 3)):
        raise UserError(f"{name} is not one number an example; take a scalar signal, such as hinge")
    return by_query(array)


def scalar_plain(signals: Signals, name: str) -> np.ndarray:
    """The same of the plain query, float64 [models, examples]."""
    return scalar(signals, name)[:, :, 0].astype(np.float64)


def mean_of(signal: str) -> Scalar:
    """The mean of a scalar signal over the queries."""
    return Scalar(f"{signal}_mean", lambda s: query_mean(scalar(s, signal)))


def features(signals: Signals, name: str) -> np.ndarray:
    """A signal of any number of features, of the plain query: float [models, examples, features].

    Raises:
      UserError: it is not saved, or has more axes.
    """
    array = signals[name]
    if array.ndim == 3 and not is_plain(name):
        array = array[:, :, 0]
    if array.ndim not in (2, 3):
        raise UserError(f"{name} is not one list of features an example")
    return array[:, :, None] if array.ndim == 2 else array


def plain_of(signal: str) -> Scalar:
    """A scalar signal of the plain query."""
    return Scalar(signal, lambda s: scalar_plain(s, signal))


def statistic(function: statistics.Statistic) -> Read:
    """A statistic of the plain logits."""
    return lambda s: s.statistic(function)


# The loss and the confidence rise with phi of the plain query: thresholds on them are thresholds on
# it, whose lists are nearer to normal.
PHI, PHI_MEAN = plain_of("phi"), mean_of("phi")
ENTROPY, MODIFIED_ENTROPY, MAXIMUM_SCORE = (
    Scalar(s.__name__, statistic(s))
    for s in (statistics.entropy, statistics.modified_entropy, statistics.maximum_score)
)


def on_phi(attack: Callable, summary: str, source: str, fewest: Fewest, **options) -> Attack:
    """An attack on phi of all queries, that makes sense on phi alone."""
    run = against(attack, lambda s: s["phi"], **options)
    return Attack(run, summary, source, fewest=fewest, statistic=PHI_MEAN)


def on_queries(
    name: str,
    attack: Callable,
    summary: str,
    source: str,
    fewest: Fewest,
    *,
    two_sided: bool = False,
    learns: bool = False,
    **options,
) -> Attack:
    """An attack on lists of all queries, of phi or of any other scalar signal.

    Args:
      name: of the attack.
      attack: function of arrays.
      summary, source, fewest: of the line.
      two_sided: whether the score rises on both sides of the out list.
      learns: whether the function can learn from other examples, too.
      **options: of the function.
    """
    given = learning if learns else against
    return Attack(
        given(attack, lambda s: s["phi"], **options),
        summary,
        source,
        fewest=fewest,
        statistic=None if two_sided else PHI_MEAN,
        on_signal=name,
        run_on=lambda signal: given(attack, lambda s: scalar(s, signal), **options),
    )


def of_lira(name: str, summary: str, source: str, **options) -> Attack:
    """A form of LiRA (lira.py)."""
    need = lira_lib.fewest(**{k: v for k, v in options.items() if k != "centre"})
    two_sided = options.get("form") == "density"
    return on_queries(name, lira_lib.lira, summary, source, need, two_sided=two_sided, **options)


def by_hardness(
    name: str, attack: Callable, signal: Callable, summary: str, source: str, fewest: Fewest
) -> Attack:
    """An attack on lists of the plain query, of a signal made of phi or of any other scalar one."""
    return Attack(
        on_plain(attack, signal),
        summary,
        source,
        on_signal=name,
        run_on=lambda other: against(attack, lambda s: scalar_plain(s, other)),
        fewest=fewest,
        statistic=PHI,
    )


def of_targets(
    function: statistics.Statistic,
    summary: str,
    source: str,
    threshold: float | None = None,
    judges_by: Scalar | None = None,
) -> Attack:
    """A statistic of the target's own plain logits."""

    return Attack(
        lambda e: e.statistic_of_targets(function),
        summary,
        source,
        ("logits",),
        threshold,
        statistic=judges_by,
        by_model=True,
    )


def threshold_on(name: str) -> Run:
    """The target's own signal, of the plain query."""

    def run(e: Evidence) -> np.ndarray:
        if is_plain(name):
            scalar(e.signals, name)
        return by_query(e.of_targets(name))[:, :, 0].astype(np.float64)

    return run
