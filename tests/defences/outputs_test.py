"""Released outputs against their definitions, and by what no release may change."""

import numpy as np
import pytest
from scipy import special, stats

from lira_jax.defences import outputs, releases
from lira_jax.errors import UserError
from lira_jax.interop import arrays, release

LOGITS = np.random.default_rng(0).normal(size=(60, 2, 5)).astype(np.float32) * 4


def released(spec, logits=LOGITS):
    (chosen,) = releases.parse(spec)
    return release.released(logits, chosen)


@pytest.mark.parametrize("spec", ["temperature:10", "round:2", "top_k:3", "top_k:9", "argmax"])
def test_the_predicted_label_stays_and_all_is_finite(spec):
    given = released(spec)
    assert given.shape == LOGITS.shape
    assert given.dtype == np.float32
    assert np.isfinite(given).all()
    largest = np.take_along_axis(given, LOGITS.argmax(-1)[..., None], -1)[..., 0]
    np.testing.assert_array_equal(largest, given.max(-1))
    assert np.isfinite(arrays.phi_from_logits(given, np.zeros(60, int))).all()


def test_each_is_what_it_says():
    p = special.softmax(LOGITS.astype(np.float64), -1)
    np.testing.assert_allclose(special.softmax(released("temperature:3"), -1).sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(released("temperature:4"), LOGITS / 4)
    rounded = np.exp(released("round:1").astype(np.float64))
    np.testing.assert_allclose(rounded, np.maximum(np.round(p, 1), 1e-45), atol=1e-6)
    three = np.exp(released("top_k:3").astype(np.float64))
    np.testing.assert_allclose(three.sum(-1), 1, rtol=1e-6)
    kept = np.sort(p, -1)[..., -3:]
    np.testing.assert_allclose(np.sort(three, -1)[..., -3:], kept, rtol=1e-4)
    np.testing.assert_allclose(
        np.sort(three, -1)[..., 0], (1 - kept.sum(-1)) / 2, rtol=1e-3, atol=1e-9
    )
    label = np.exp(released("argmax"))
    assert ((label > 0.5).sum(-1) == 1).all()
    np.testing.assert_allclose(released("top_k:5"), np.log(p), rtol=1e-4, atol=1e-5)


def test_where_rounding_leaves_nothing_nothing_is_said():
    flat = np.zeros((3, 30), np.float32)  # 1 / 30 rounds to 0
    np.testing.assert_allclose(np.exp(released("round:1", flat)), 1 / 30, rtol=1e-5)


def test_temperature_changes_no_order_by_confidence_of_two_classes():
    logits = LOGITS[:, 0, :2]
    for own in (0, 1):
        p = special.softmax(logits, -1)[:, own]
        q = special.softmax(released("temperature:10", logits), -1)[:, own]
        assert stats.spearmanr(p, q).statistic == pytest.approx(1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("temperatur", "did you mean temperature"),
        ("temperature:0", "temperature takes T"),
        ("round:1.5", "round takes decimals"),
        ("top_k:0", "top_k takes how many"),
        ("argmax:1", "argmax takes no number"),
        ("memguard:x", "memguard takes budget"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, message):
    with pytest.raises(UserError, match=message):
        releases.parse(spec)


def test_names_and_defaults():
    found = releases.parse("temperature, round:2,top_k:3,argmax,memguard,memguard:0.5,argmax")
    folders = ["temperature_10", "round_2", "top_k_3", "argmax", "memguard", "memguard_0.5"]
    assert [chosen.folder for chosen in found] == folders
    for name in releases.RELEASES:
        assert name in releases.help_text()
    assert outputs.argmax(LOGITS, 0).sum() == 120
