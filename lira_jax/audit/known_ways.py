"""What the attacker who knows most members looks at, and what learns from it."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lira_jax.attacks import known_classifiers as classifiers
from lira_jax.attacks.classifiers import probabilities
from lira_jax.attacks.known_classifiers import Fit
from lira_jax.errors import UserError, bad_choice

SOFTMAX = "softmax"
DISTANCE = "boundary_distance"
LAYER = "layer="
"""How the signals begin that are of another layer than the last hidden one."""


@dataclasses.dataclass(frozen=True)
class Way:
    """What the attacker looks at.

    Attributes:
      signal: that is read of the target.
      summary: what it is, in a line.
      table: of the paper.
      apart: whether rightly and wrongly classified examples have classifiers of their own.
      linear: whether the classifier is logistic regression, whatever else is asked for.
      fewest: members, and non-members, that a class needs, or where `apart` each of its groups: as
        in the authors' code.
      most: of which no more are taken, the first in the order of the data; 0 for all. The authors'
        code takes 400, which saves it time.
      features: (the signal [examples, ...]) -> float [examples, features].
    """

    signal: str
    summary: str
    table: str
    apart: bool = False
    linear: bool = False
    fewest: int = 15
    most: int = 0
    features: Callable[[np.ndarray], np.ndarray] = lambda signal: signal.reshape(len(signal), -1)


WAYS = {
    "softmax": Way("logits", "the vector of confidences", "3 and 4", features=probabilities),
    "layers": Way("layers", "the last hidden layer", "5", fewest=20),
    "boundary_distance": Way(
        "boundary_distance", "the distance to the boundary", "6", apart=True, linear=True, fewest=10
    ),
    "gradient_norms_w": Way(
        "gradient_norms_w",
        "seven norms of the gradient by w",
        "7",
        apart=True,
        linear=True,
        fewest=5,
    ),
    "gradient_norms_x": Way(
        "gradient_norms_x",
        "seven norms of the gradient by x",
        "7",
        apart=True,
        linear=True,
        fewest=5,
    ),
}
"""In the order of the paper's tables. Any other saved layer is a way too, as layer=-2 is."""


def limited(asked: Mapping[str, Way], *, fewest: int = 0, most: int = 0) -> dict[str, Way]:
    """The same ways with other sizes of a class, or of a group of it.

    Args:
      asked: name -> way.
      fewest: members, and non-members, that each needs; 0 for what the authors' code asks for.
      most: that are taken of those that look at groups apart, distances and gradients; 0 for all.

    Raises:
      UserError: a negative number, `fewest` of 1, or `most` below what a group needs.
    """
    for flag, number in (("known_fewest", fewest), ("known_most", most)):
        if number < 0 or number == 1:
            raise UserError(f"--{flag}={number}: give 0 or a whole number from 2 on")
    found = {}
    for name, way in asked.items():
        fewest_here = fewest or way.fewest
        if way.apart and 0 < most < fewest_here:
            raise UserError(
                f"--known_most={most}: {name} needs {fewest_here} members and as many non-members; "
                f"give 0 for all, {fewest_here} or more, or a smaller --known_fewest"
            )
        found[name] = dataclasses.replace(way, fewest=fewest_here, most=most if way.apart else 0)
    return found


def ways(names: Sequence[str], saved: Sequence[str]) -> dict[str, Way]:
    """The ways that are asked for.

    Args:
      names: of WAYS; "all" for those whose signals are saved.
      saved: names of the signals.

    Raises:
      UserError: no name, an unknown one, or one whose signal is not saved.
    """
    if not names:
        raise UserError(f"--known_ways=: name some of all, {', '.join(WAYS)}")
    of_layers = {name: _of_layer(name) for name in (*names, *saved) if name.startswith(LAYER)}
    known = dict(sorted({**WAYS, **of_layers}.items(), key=lambda item: item[1].table))
    if list(names) == ["all"]:
        return {name: way for name, way in known.items() if way.signal in saved}
    for name in names:
        if name not in known:
            raise bad_choice("--known_ways", name, ["all", *known])
        if known[name].signal not in saved:
            both = ",".join([*saved, known[name].signal])
            raise UserError(
                f"--known_ways={name}: the signal {known[name].signal} is not saved; run "
                f"lira-score --signals={both}"
            )
    return {name: known[name] for name in names}


def _of_layer(name: str) -> Way:
    """The way that looks at another layer than the last hidden one, such as layer=-2."""
    return dataclasses.replace(WAYS["layers"], signal=name, summary=f"the signal {name}")


def learner(
    names: Sequence[str], samplings: Sequence[str], seed: int, *, tries: int = 0, trees: int = 0
) -> Fit:
    """The classifier that is asked for, or the best of several on validation data.

    Args:
      names: of CLASSIFIERS.
      samplings: of SAMPLINGS.
      seed: of classifiers and of the split.
      tries: settings that a search draws; 0 for as many as the authors draw.
      trees: of each random forest; 0 for a setting that is searched too.

    Raises:
      UserError: an unknown name, or a negative number.
    """
    for flag, number in (("known_tries", tries), ("known_trees", trees)):
        if number < 0:
            raise UserError(f"--{flag}={number}: give 0 or a positive whole number")
    for name in names:
        if name not in classifiers.CLASSIFIERS:
            raise bad_choice("--known_classifiers", name, classifiers.CLASSIFIERS)
    for name in samplings:
        if name not in classifiers.SAMPLINGS:
            raise bad_choice("--known_sampling", name, classifiers.SAMPLINGS)
    searched = {"tries": tries} if tries else {}
    given: dict[str, dict[str, int]] = {
        "random_forest": searched | ({"trees": trees} if trees else {}),
        "xgboost": searched,
    }
    fits: dict[str, Fit] = {
        name: functools.partial(classifiers.CLASSIFIERS[name], **given.get(name, {}))
        for name in names
    }

    def fit(features: np.ndarray, members: np.ndarray):
        if len(names) == len(samplings) == 1:
            use = classifiers.sampled(members, samplings[0])
            return fits[names[0]](features[use], members[use], seed)
        return classifiers.chosen(features, members, fits, tuple(samplings), seed=seed).score

    return fit
