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


def test_phi_of_every_class_is_phi_of_each():
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 8, (60, 6)).astype(np.float32)
    logits[0] = [1000, 0, 0, 0, 0, 0]
    every = dumps.phi_of_every_class(logits)
    for k in range(6):
        alone = dumps.phi_from_logits(logits[:, None], np.full(60, k))[:, 0]
        np.testing.assert_allclose(every[:, k].clip(-700), alone.clip(-700), rtol=1e-5, atol=1e-6)


READ = {"logits": dumps.as_logits, "scores": dumps.as_scores}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3), np.int64), r"int64 \(2, 3\); it must hold floats \[examples, classes\]"),
        (np.zeros(3), r"float64 \(3,\)"),
        (np.zeros((0, 3)), r"\(0, 3\)"),
        (np.array([[0, 1], [2, np.nan]]), r"NaN or infinite, first at \(1, 1\)"),
        (np.array([[0, 1], [2, 1e300]]), r"NaN or infinite, first at \(1, 1\)"),
    ],
)
def test_what_is_not_finite_floats_of_the_form_is_refused(array, message, read):
    with pytest.raises(UserError, match="a.npy.*" + message):
        read(array, ("examples, classes",), "a.npy")


@pytest.mark.parametrize(
    ("row", "place"),
    [([0, np.inf, -np.inf], r"\(1, 1\)"), ([-np.inf] * 3, r"\(1, 0\)"), ([0, 0, np.nan], "1, 2")],
)
def test_logits_that_mean_nothing_are_refused_with_their_place(row, place):
    with pytest.raises(UserError, match="a.npy: NaN or infinite, first at .*" + place):
        dumps.as_logits(np.array([[1.0, 2, 3], row]), ("examples, classes",), "a.npy")


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def as_logits(array):
    return dumps.as_logits(array, ("examples, queries, classes",), "a.npy")


def test_probabilities_are_refused_however_they_are_rounded():
    p = softmax(np.random.default_rng(4).normal(0, 3, (300, 1, 10)))
    bfloat16 = (p.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
    many = softmax(np.random.default_rng(3).normal(0, 3, (300, 1, 1000))).astype(np.float16)
    rounded = [p, p.astype(np.float32), p.astype(np.float16), many, bfloat16, np.eye(10)[None]]
    for array in (*rounded, np.round(p, 2), np.round(p, 3)):
        with pytest.raises(UserError, match="these are probabilities, not logits; save"):
            as_logits(array)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_logarithms_of_probabilities_give_the_phi_of_the_logits(dtype):
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(0, 3, (200, 2, 100)), rng.integers(0, 100, 200)
    found, infinite = as_logits(np.log(softmax(logits)).astype(dtype))
    assert found.dtype == np.float32
    assert not infinite
    expected = dumps.phi_from_logits(logits, labels)
    atol = 0.02 if dtype == np.float16 else 1e-4
    np.testing.assert_allclose(dumps.phi_from_logits(found, labels), expected, atol=atol)


@pytest.mark.parametrize("shift", ["none", "log_softmax", "positive", "nearly", "percent"])
def test_logits_are_not_taken_for_probabilities(shift):
    logits = np.random.default_rng(5).normal(0, 2, (300, 1, 10)).astype(np.float32)
    if shift == "log_softmax":
        logits = np.log(softmax(logits))
    elif shift == "positive":
        logits -= logits.min(-1, keepdims=True)
    elif shift == "nearly":  # one row of another sum
        logits = softmax(logits)
        logits[7] *= 2
    elif shift == "percent":
        logits = 100 * softmax(logits)
    found, infinite = as_logits(logits)
    assert not infinite
    assert found is logits


def test_a_probability_of_0_gives_the_score_of_the_tools():
    """phi = log(p + 1e-45) - log(1 - p + 1e-45)."""
    p = np.array([[[1.0, 0]], [[0, 1.0]], [[0.25, 0.75]]])
    tools = np.log(p[:, 0, 0] + 1e-45) - np.log(p[:, 0, 1] + 1e-45)
    for constant in (0, 7):  # logits are told up to a constant
        with np.errstate(divide="ignore"):
            found, infinite = as_logits(np.log(p) + constant)
        assert infinite
        phi = dumps.phi_from_logits(found, np.zeros(3, int))
        np.testing.assert_allclose(phi[:, 0], tools, rtol=1e-6)


def test_a_class_that_is_never_predicted_leaves_the_others_as_they_are():
    logits = np.array([[[1.0, 2, -np.inf, 3]]])
    found, _ = as_logits(logits)
    assert found[0, 0, 2] == pytest.approx(np.log(np.exp([1, 2, 3]).sum()) + np.log(1e-45))
    np.testing.assert_array_equal(found[0, 0, [0, 1, 3]], [1, 2, 3])
    assert logits[0, 0, 2] == -np.inf  # the array of the caller is as it was
    assert dumps.phi_from_logits(found, np.array([3])) == pytest.approx(3 - np.logaddexp(1, 2))


def test_infinite_scores_become_those_of_the_tools():
    scores, infinite = dumps.as_scores(np.array([[np.inf, -np.inf, 2.0]]), ("a, b",), "a.npy")
    np.testing.assert_allclose(scores, [[-np.log(1e-45), np.log(1e-45), 2]])
    assert infinite


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
