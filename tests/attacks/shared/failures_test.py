"""Examples that some model has no distance of are left out of attacks on it, and counted."""

import dataclasses

import numpy as np
import pytest
from null_scores import balanced

from lira_jax.attacks.selection import on_signals
from lira_jax.attacks.shared import failures
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Inside, Outside
from lira_jax.attacks.table import ATTACKS
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
KEEP = balanced(RNG, 8, 30)
DISTANCE = RNG.exponential(size=(8, 30)).astype(np.float32)
LOST = np.zeros((8, 30), bool)
LOST[2, 4] = LOST[2, 9] = LOST[7, 9] = True
LABELS = np.arange(30) % 2
NAMES = ["lira_online@boundary_distance", "class_threshold@boundary_distance"]


def evidence(distance, examples=slice(None), **more):
    return Evidence.of_arrays(
        LABELS[examples],
        KEEP[:, examples],
        Inside(np.arange(8)),
        boundary_distance=distance[:, examples],
        **more,
    )


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_the_other_examples_alone(name):
    attack = on_signals([name], ATTACKS)[name]
    scores = attack.run(evidence(np.where(LOST, np.nan, DISTANCE)))
    some = ~LOST.any(0)
    np.testing.assert_array_equal(np.isnan(scores), np.tile(~some, (8, 1)))
    np.testing.assert_array_equal(scores[:, some], attack.run(evidence(DISTANCE, some)))
    told = attack.caveat(evidence(np.where(LOST, np.nan, DISTANCE)), scores)
    assert told.startswith("2 of 30 examples have no boundary_distance in some model")
    assert not failures.caveat(evidence(DISTANCE), "boundary_distance")


def test_a_threshold_leaves_out_only_what_the_target_itself_has_none_of():
    name = "threshold@boundary_distance"
    scores = on_signals([name], ATTACKS)[name].run(evidence(np.where(LOST, np.nan, DISTANCE)))
    np.testing.assert_array_equal(scores, np.where(LOST, np.nan, DISTANCE))


def test_an_outside_target_that_has_none_of_an_example_counts():
    own = np.where(LOST[2:3], np.nan, DISTANCE[:1])
    outside = Outside(Signals({"boundary_distance": own}, LABELS))
    e = dataclasses.replace(evidence(DISTANCE), targets=outside)
    np.testing.assert_array_equal(failures.known(e, "boundary_distance"), ~LOST[2])


def test_none_of_all_is_one_line():
    attack = on_signals(NAMES[:1], ATTACKS)[NAMES[0]]
    with pytest.raises(UserError, match="no example has boundary_distance in every model: score"):
        attack.run(evidence(np.full((8, 30), np.nan)))


def test_other_signals_are_not_touched():
    name = "lira_online@hinge"
    assert on_signals([name], ATTACKS)[name].fewest == ATTACKS["lira_online"].fewest
