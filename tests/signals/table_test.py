import re

import numpy as np
import pytest

from lira_jax.attacks.shared.derived import DERIVED
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models.network import Network
from lira_jax.signals.table import SIGNALS, measures, queries


def network(classifies=True, **signals):
    return Network(
        init=None,
        outputs=None,
        evaluate=None,
        by_example=None,
        layers=None,
        shapes=None,
        convolutional=False,
        classifies=classifies,
        signals=signals,
        normalizer=None,
    )


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_either_measured_or_derived(name):
    signal = SIGNALS[name]
    assert (signal.measure is None) != (signal.derive is None)
    assert (signal.cost == 0) == (signal.measure is None), "0 is for derived signals alone"
    assert signal.summary
    assert re.search(r"\b(19|20)\d\d\b", signal.source), "the source has its year"


def test_signals_of_the_users_recipe_can_be_named_too():
    found = measures(["phi", "square"], network(square=lambda outputs, labels: outputs**2))
    assert list(found) == ["phi", "square"]

    class Batch:
        outputs, labels = np.array([3.0]), np.array([0])

    assert found["square"](Batch) == 9


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ph", "--signals=ph: did you mean phi"),
        ("squar", "--signals=squar: did you mean square"),
        ("hinge", "--signals=hinge: it is computed from logits"),
    ],
)
def test_what_cannot_be_measured_is_one_line(name, message):
    with pytest.raises(UserError, match=message):
        measures([name], network(square=abs))


@pytest.mark.parametrize("name", ["phi", "logits"])
def test_a_network_without_logits_has_no_signals_of_them(name):
    with pytest.raises(UserError, match=rf"--signals={name}: .*recipe \(square\)"):
        measures([name], network(classifies=False, square=abs))


def test_all_derived_signals_are_in_the_table():
    assert DERIVED.keys() == {n for n, s in SIGNALS.items() if s.derive}


def test_signals_that_look_into_the_model_are_of_the_plain_query_alone():
    experiment = Experiment(queries=18)
    for name in ("gradient_norms_w", "boundary_distance", "layers", "layer=-2", "merlin"):
        assert queries([name, "logits"], experiment) == 1
        assert queries([name, "phi"], experiment) == 18
    assert queries(["logits"], Experiment(queries=18, save_logits="all")) == 18
    assert queries(["margin"], experiment) == 18


@pytest.mark.parametrize("name", ["layer", "layer=", "merlin=0.1", "layers=-2"])
def test_only_a_layer_is_named_behind_the_signal(name):
    with pytest.raises(UserError, match=f"--signals={name}: .*layer=NAME"):
        measures([name], network())


def test_options_come_from_the_flags():
    experiment = Experiment(boundary_step=0.5, boundary_steps=7, merlin_scales="0.2, 3")
    found = measures(["boundary_distance", "merlin", "layer=-2"], network(), experiment)
    assert found["boundary_distance"].keywords == {"step": 0.5, "steps": 7}
    assert found["merlin"].keywords == {"scales": [0.2, 3.0]}
    assert found["layer=-2"].keywords == {"layer": "-2"}


def test_the_cost_is_that_of_the_default_flags():
    e = Experiment()
    # A gradient a place, the last of them to see the last class; the bisections, the plain outputs.
    assert SIGNALS["boundary_distance"].cost == 3 * (e.boundary_steps + 1) + 62 + 1
    assert SIGNALS["merlin"].cost == 1 + 100 * len(e.merlin_noise)
