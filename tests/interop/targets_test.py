"""Targets from outside, from every form of file a user may have."""

import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.interop.targets import read_targets

N, A, K = 6, 3, 4
LABELS = np.array([0, 1, 2, 3, 0, 1])


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 2, (2, N, A, K)).astype(np.float32)


def log_odds(logits, labels):
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    own = np.array([[p[i, a, labels[i]] for a in range(p.shape[1])] for i in range(len(p))])
    return np.log(own / (1 - own))


def read(path, queries=A):
    return read_targets(path, LABELS, N, queries, K)


@pytest.mark.parametrize("form", ["[N, K]", "[N, A, K]", "[T, N, A, K]"])
@pytest.mark.parametrize("container", ["file", "folder", "archive"])
def test_every_form_in_every_container(tmp_path, logits, form, container):
    saved = {"[N, K]": logits[0, :, 0], "[N, A, K]": logits[0], "[T, N, A, K]": logits}[form]
    used = {"[N, K]": logits[:1, :, :1], "[N, A, K]": logits[:1], "[T, N, A, K]": logits}[form]
    keep = np.random.default_rng(1).random(used.shape[:2]) < 0.5
    path = tmp_path / {"file": "target.npy", "folder": "target", "archive": "target.npz"}[container]
    if container == "file":
        np.save(path, saved)
    elif container == "folder":
        path.mkdir()
        np.save(path / "logits.npy", saved)
        np.save(path / "keep.npy", keep if len(keep) > 1 else keep[0])
    else:
        np.savez(path, logits=saved, keep=keep)
    phi, plain, members = read(path)
    assert (phi.dtype, plain.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(phi, [log_odds(t, LABELS) for t in used], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(plain, used[:, :, 0])
    if container == "file":
        assert members is None
    else:
        np.testing.assert_array_equal(members, keep)


def test_membership_may_be_unknown(tmp_path, logits):
    np.savez(tmp_path / "a.npz", logits=logits)
    np.save(tmp_path / "logits.npy", logits)
    assert read(tmp_path / "a.npz")[2] is None
    assert read(tmp_path)[2] is None


def test_where_one_side_has_the_plain_query_alone_it_is_the_only_one(tmp_path, logits):
    np.save(tmp_path / "all.npy", logits)
    np.save(tmp_path / "plain.npy", logits[:, :, :1])
    every = read(tmp_path / "all.npy")[0]
    for phi in (read(tmp_path / "plain.npy")[0], read(tmp_path / "all.npy", queries=1)[0]):
        np.testing.assert_array_equal(phi, every[:, :, :1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"logits": np.zeros((N, A, K + 1))}, "has 6 examples and 4 classes"),
        ({"logits": np.zeros((N + 1, A, K))}, "has 6 examples and 4 classes"),
        ({"logits": np.zeros((2, N, K))}, "has 6 examples and 4 classes"),
        ({"logits": np.zeros((N, 2, K))}, "logits are of 2 queries, the run's of 3"),
        ({"logits": np.zeros((N, K), int)}, "must hold floats"),
        ({"logits": np.zeros(K)}, "must hold floats"),
        ({"logits": np.full((N, K), np.nan)}, "NaN or infinite"),
        ({"logits": np.full((N, K), 1 / K)}, "probabilities, not logits"),
        ({"keep": np.zeros(N, bool)}, "holds no logits"),
        ({"logits": np.zeros((N, K)), "keep": np.zeros(N)}, "must be bool"),
        ({"logits": np.zeros((N, K)), "keep": np.zeros(N - 1, bool)}, "keep has shape"),
        ({"logits": np.zeros((2, N, A, K)), "keep": np.zeros(N, bool)}, "keep has shape"),
        ({"logits": np.array([{}, None])}, "not a whole .npy or .npz file"),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_file(tmp_path, arrays, message):
    path = tmp_path / "target.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_damaged_file_is_one_line(tmp_path, logits):
    path = tmp_path / "target.npz"
    with pytest.raises(UserError, match="does not exist"):
        read(path)
    np.savez_compressed(path, logits=logits)
    whole = path.read_bytes()
    for damaged in (
        b"",
        b"no archive",
        whole[:-30],
        whole[: len(whole) // 2],
        whole[:200] + b"\0" * 40 + whole[240:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="not a whole"):
            read(path)
