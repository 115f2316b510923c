"""Derived signals are the statistics of LiRA's figure 8."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import roc_auc_score

from lira_jax.attacks.lira import lira
from lira_jax.attacks.shared.derived import DERIVED
from lira_jax.attacks.shared.signals import Signals

LABELS = np.array([0, 1, 2, 0, 1])


def signals(logits):
    logits = np.asarray(logits, np.float32)
    z = logits.astype(np.float64)
    own = np.take_along_axis(z, LABELS[None, :, None], -1)[..., 0]
    others = np.where(np.arange(z.shape[-1]) == LABELS[:, None], -np.inf, z)
    phi = own - np.logaddexp.reduce(others, -1)
    arrays = {"phi": np.stack([phi, phi - 9], -1).astype(np.float32), "logits": logits}
    return Signals(arrays, LABELS)


def moderate(scale=2.0):
    return np.random.default_rng(0).normal(0, scale, (3, 5, 3))


def of_label(array):
    return np.take_along_axis(array, LABELS[None, :, None], -1)[..., 0]


def test_each_is_its_definition_on_the_plain_query():
    s, z = signals(moderate()), moderate().astype(np.float32).astype(np.float64)
    p, log_p = of_label(softmax(z, -1)), of_label(log_softmax(z, -1))
    np.testing.assert_allclose(s["confidence"], p, rtol=1e-5)
    np.testing.assert_allclose(s["log_confidence"], log_p, rtol=1e-5)
    np.testing.assert_allclose(s["naive_logit"], log_p - np.log1p(-p), rtol=1e-4, atol=1e-5)
    centred = [own - own.mean() for own in s["phi"][..., 0].astype(np.float64)]
    np.testing.assert_allclose(s["phi_centred"], centred, rtol=1e-12)
    for model in range(3):
        for i, label in enumerate(LABELS):
            others = [z[model, i, j] for j in range(3) if j != label]
            assert s["hinge"][model, i] == pytest.approx(z[model, i, label] - max(others), abs=1e-5)


def of_models_ever_surer(name):
    """A signal of models that give the label a rising logit, the other classes 0."""
    logits = np.zeros((7, 5, 3))
    for model, gap in enumerate([-1000, -3, -1, 0, 1, 3, 1000]):
        logits[model, np.arange(5), LABELS] = gap
    return signals(logits)[name]


OF_OUTPUTS = [name for name, line in DERIVED.items() if {*line.needs} <= {"phi", "logits"}]
OF_OUTPUTS.remove("phi_centred")  # of models that are as sure of all examples it is 0


@pytest.mark.parametrize("name", OF_OUTPUTS)
def test_each_is_finite_and_higher_for_a_model_that_is_surer_of_the_label(name):
    values = of_models_ever_surer(name)
    assert values.shape == (7, 5)
    assert np.isfinite(values).all()
    # Where the label is the likeliest class; a signal need not know which class the label is.
    assert (np.diff(values[3:], axis=0) >= 0).all()
    assert (values[-1] > values[3]).all()


def test_what_a_model_says_of_all_examples_alike_is_centred_away():
    """So LiRA on such models finds what it finds without their differences, and phi does not."""
    rng = np.random.default_rng(0)
    keep = rng.random((16, 500)).argsort(0) < 8
    alike = (rng.normal(size=(16, 500)) + keep).astype(np.float32)[..., None]
    apart = alike + 20 * rng.normal(size=(16, 1, 1)).astype(np.float32)
    labels = np.zeros(500, int)
    of = {name: Signals({"phi": phi}, labels) for name, phi in (("alike", alike), ("apart", apart))}
    centred = {name: lira(s["phi_centred"], keep) for name, s in of.items()}
    np.testing.assert_allclose(centred["apart"], centred["alike"], atol=1e-3)
    assert roc_auc_score(keep.ravel(), centred["apart"].ravel()) > 0.7
    assert roc_auc_score(keep.ravel(), lira(apart, keep).ravel()) < 0.6


@pytest.mark.parametrize("name", ["confidence", "log_confidence", "naive_logit", "hinge"])
def test_those_of_figure_8_rise_with_the_logit_of_the_label(name):
    values = of_models_ever_surer(name)
    assert (np.diff(values, axis=0)[1:-1] > 0).all()
    assert (np.diff(values, axis=0) >= 0).all()


def test_the_naive_logit_rounds_where_phi_does_not():
    logits = np.zeros((2, 5, 3))
    logits[0, np.arange(5), LABELS], logits[1, np.arange(5), LABELS] = 20, 30
    s = signals(logits)
    assert s["phi"][1, :, 0] - s["phi"][0, :, 0] == pytest.approx(10)
    np.testing.assert_array_equal(s["naive_logit"][0], s["naive_logit"][1])
