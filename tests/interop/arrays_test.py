import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.interop import arrays as dumps
from lira_jax.runs.files import load_npy
from lira_jax.signals import phi as statistics


def test_phi_is_the_log_odds_of_the_label():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 3, (20, 4, 5)), rng.integers(0, 5, 20)
    phi = dumps.phi_from_logits(logits, labels)
    assert phi.dtype == np.float32
    for i in range(20):
        for a in range(4):
            p = np.exp(logits[i, a]) / np.exp(logits[i, a]).sum()
            assert phi[i, a] == pytest.approx(np.log(p[labels[i]] / (1 - p[labels[i]])), rel=1e-5)


def test_phi_is_exact_where_probabilities_round_to_0_and_1():
    logits = np.array([[[1000.0, 0.0, 0.0]]])
    assert dumps.phi_from_logits(logits, np.array([0]))[0, 0] == np.float32(1000 - np.log(2))
    assert dumps.phi_from_logits(logits, np.array([1]))[0, 0] == np.float32(-1000)


def test_phi_equals_that_of_our_own_scoring():
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(0, 8, (50, 3, 10)).astype(np.float32), rng.integers(0, 10, 50)
    own = statistics.phi(logits, labels[:, None])
    np.testing.assert_allclose(dumps.phi_from_logits(logits, labels), own, rtol=2e-6, atol=2e-6)


def test_phi_leaves_the_logits_as_they_were():
    logits = np.ones((3, 1, 4))
    dumps.phi_from_logits(logits, np.zeros(3, int))
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3), np.int64), r"int64 \(2, 3\); it must hold floats \[examples, queries\]"),
        (np.zeros(3), r"float64 \(3,\)"),
        (np.zeros((0, 3)), r"\(0, 3\)"),
        (np.array([[0, 1], [2, np.nan]]), r"NaN or infinite, first at \(1, 1\)"),
        (np.array([[0, -np.inf]]), r"first at \(0, 1\)"),
    ],
)
def test_what_is_not_finite_floats_of_the_form_is_refused(array, message):
    with pytest.raises(UserError, match="a.npy.*" + message):
        dumps.check_floats(array, ("examples, queries",), "a.npy")


def test_indices_are_not_taken_for_a_mask():
    with pytest.raises(UserError, match=r"keep.npy is int64 \(3,\); it must be bool"):
        dumps.check_mask(np.array([4, 7, 9]), "keep.npy")


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "truncated", "text", "objects", "archive", "folder"]
)
def test_a_damaged_file_is_one_line_with_its_name(tmp_path, kind):
    path = tmp_path / "a.npy"
    if kind == "empty":
        path.touch()
    elif kind == "truncated":
        np.save(path, np.zeros(1000))
        path.write_bytes(path.read_bytes()[:-1])
    elif kind == "text":
        path.write_text("0 1 2\n")
    elif kind == "objects":
        np.save(path, np.array([{}, None]), allow_pickle=True)
    elif kind == "archive":
        with open(path, "wb") as file:
            np.savez(file, a=np.zeros(3))
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(UserError) as caught:
        load_npy(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
