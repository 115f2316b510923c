import hashlib
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.data import masks
from lira_jax.errors import UserError


@pytest.mark.parametrize(
    ("num_models", "num_examples", "digest"),
    [
        (16, 50000, "7f8ea8c3ccf1b343"),
        (20, 50000, "84184e8b6f5e3cd8"),
        (64, 50000, "1e5fe746de523f26"),
        (128, 50000, "3341d7f8ea8528a4"),
        (256, 50000, "aed3602b6fe5888b"),
        (16, 60000, "088125492a714ecf"),
    ],
)
def test_tf_privacy_masks_are_bit_exact(num_models, num_examples, digest):
    keep = masks.draw("tf_privacy", num_models, num_examples, seed=3)
    assert hashlib.sha256(keep.astype(np.uint8).tobytes()).hexdigest()[:16] == digest


# Of 60 examples, one of 12 models is given all in one draw of 15, which draw refuses.
@given(
    num_models=st.integers(2, 12),
    num_examples=st.integers(300, 400),
    seed=st.integers(0, 2**31 - 1),
    in_models=st.integers(1, 11),
)
def test_balanced_masks_put_each_example_in_as_many_models(
    num_models, num_examples, seed, in_models
):
    in_models = min(in_models, num_models - 1)
    keep = masks.draw("balanced", num_models, num_examples, pkeep=in_models / num_models, seed=seed)
    assert keep.shape == (num_models, num_examples)
    assert keep.dtype == bool
    assert (keep.sum(0) == in_models).all()


def test_balanced_masks_pair_models_evenly():
    keep = masks.draw("balanced", 4, 60000, seed=1)
    both = (keep.astype(np.int64) @ keep.T) / keep.shape[1]
    off_diagonal = both[~np.eye(4, dtype=bool)]
    np.testing.assert_allclose(off_diagonal, 0.5 * 1 / 3, atol=4 * np.sqrt(1 / 6 * 5 / 6 / 60000))


def test_bernoulli_masks_are_independent_coins():
    keep = masks.draw("bernoulli", 50, 20000, pkeep=0.3, seed=2)
    counts = keep.sum(0)
    assert abs(keep.mean() - 0.3) < 4 * np.sqrt(0.21 / keep.size)
    assert abs(counts.var() - 50 * 0.21) < 0.6  # a balanced mask would have variance 0


@given(
    half=st.integers(2, 6),
    num_examples=st.integers(200, 251),
    seed=st.integers(0, 2**31 - 1),
    in_models=st.integers(1, 5),
)
def test_disjoint_masks_cut_pool_and_models_in_halves(half, num_examples, seed, in_models):
    in_models = min(in_models, half - 1)
    keep = masks.draw("disjoint", 2 * half, num_examples, pkeep=in_models / half, seed=seed)
    of_targets = masks.targets_pool(keep)
    assert of_targets.sum() == num_examples // 2
    assert masks.first_shadow(2 * half) == half
    targets, shadows = keep[:half], keep[half:]
    assert (targets.sum(0) == np.where(of_targets, in_models, 0)).all()
    assert (shadows.sum(0) == np.where(of_targets, 0, in_models)).all()
    assert keep.mean() == pytest.approx(masks.members_share("disjoint", in_models / half))


@pytest.mark.parametrize(("num_models", "pkeep"), [(2, 0.5), (2, 0.8), (3, 0.5)])
def test_a_model_alone_on_its_half_trains_on_a_share_of_it(num_models, pkeep):
    """Two models are one target and one shadow, each with members and non-members of its own."""
    keep = masks.draw("disjoint", num_models, 1000, pkeep=pkeep)
    of_targets = masks.targets_pool(keep)
    assert of_targets.sum() == 500
    assert keep[0].sum() == round(pkeep * 500)
    assert not keep[0, ~of_targets].any()
    assert not keep[1:, of_targets].any()
    np.testing.assert_allclose(keep[1:, ~of_targets].mean(), pkeep)


def test_halves_of_disjoint_masks_are_drawn_at_random():
    first, other = (masks.targets_pool(masks.draw("disjoint", 4, 10000, seed=s)) for s in (0, 1))
    assert abs((first & other).mean() - 0.25) < 4 * np.sqrt(0.1875 / 10000)


@given(pairs=st.integers(1, 6), num_examples=st.integers(2, 51), seed=st.integers(0, 2**31 - 1))
def test_models_of_a_pair_share_out_the_pool(pairs, num_examples, seed):
    """As Privacy Meter's split_dataset_for_training: a half to one, the rest to the other."""
    keep = masks.draw("pairs", 2 * pairs, num_examples, seed=seed)
    assert keep.dtype == bool
    np.testing.assert_array_equal(keep[1::2], ~keep[::2])
    assert (keep[::2].sum(1) == num_examples // 2).all()
    assert (keep.sum(0) == pairs).all()


def test_pairs_are_drawn_apart_and_every_half_is_as_likely():
    keep = masks.draw("pairs", 40, 2000, seed=1)[::2]
    both = (keep.astype(int) @ keep.T)[~np.eye(20, dtype=bool)] / 2000
    np.testing.assert_allclose(both, 0.25, atol=5 * np.sqrt(0.1875 / 2000))
    assert keep.sum(0).var() == pytest.approx(5, rel=0.2)  # Binomial(20, 1 / 2)


def test_masks_of_a_file_are_taken_as_they_are(tmp_path, monkeypatch):
    keep = np.random.default_rng(0).random((6, 50)) < 0.5
    np.save(tmp_path / "m.npy", keep)
    pkeep = keep.mean()
    found = masks.draw(f"file:{tmp_path}/m.npy", 6, 50, pkeep=pkeep, seed=9)
    np.testing.assert_array_equal(found, keep, strict=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert masks.absolute("file:~/m.npy") == masks.absolute("file:m.npy")
    assert masks.absolute("file:m.npy") == f"file:{tmp_path}/m.npy"
    assert masks.absolute("balanced") == "balanced"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((6, 50), np.uint8), r"it holds uint8 \(6, 50\); it must be bool"),
        (np.ones((5, 50), bool), r"it holds bool \(5, 50\); it must be bool .*, \(6, 50\) by"),
        (np.ones((6, 49), bool), r"it holds bool \(6, 49\)"),
        (np.ones(50, bool), r"it holds bool \(50,\)"),
        (np.arange(300).reshape(6, 50) >= 50, "model 0 would train on 0 of them"),
        (np.arange(300).reshape(6, 50) % 50 + np.arange(6)[:, None] < 50, "model 0 .* on 50 of th"),
        (np.arange(300).reshape(6, 50) % 50 < 40, r"--pkeep=0.5: .* add --pkeep=0.8$"),
        (None, "No such file"),
        (b"masks", "not a .npy file"),
        ({"keep": np.ones((6, 50), bool)}, "an .npz archive; save the array alone"),
    ],
)
def test_a_file_that_holds_no_masks_of_the_run_is_refused(tmp_path, array, message):
    path = tmp_path / "m.npy"
    if isinstance(array, np.ndarray):
        np.save(path, array)
    elif isinstance(array, bytes):
        path.write_bytes(array)
    elif array:
        with path.open("wb") as file:
            np.savez(file, **array)
    with pytest.raises(UserError, match=message) as caught:
        masks.draw(f"file:{path}", 6, 50)
    assert f"--masks=file:{path}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_masks_that_have_changed_since_are_refused(tmp_path):
    keep = np.random.default_rng(0).random((6, 50)) < 0.3
    kind = f"file:{tmp_path}/m.npy"
    masks.check_same("balanced", keep)
    masks.check_same(kind, keep)  # the file is gone; the run has its masks
    np.save(tmp_path / "m.npy", keep)
    masks.check_same(kind, keep)
    np.save(tmp_path / "m.npy", keep[::-1])
    with pytest.raises(UserError, match="the run was begun with other masks than are there now"):
        masks.check_same(kind, keep)


def test_official_masks_are_the_training_set_for_every_model():
    keep = masks.draw("official", 3, 60, pkeep=masks.official_share("official", 0.5, 50, 60))
    assert keep[:, :50].all()
    assert not keep[:, 50:].any()
    assert masks.coin("official", 3, 5 / 6) is None
    assert masks.official_share("balanced", 0.25, 0, 60) == 0.25
    assert masks.official_share("official", 50 / 60, 50, 60) == 50 / 60  # a run that goes on
    with pytest.raises(UserError, match=r"--pkeep=0\.7: the official training set is 0.8333"):
        masks.official_share("official", 0.7, 50, 60)


@pytest.mark.parametrize(("official", "num_examples"), [(50000, 60000), (7, 9), (999, 1000)])
def test_no_member_is_lost_by_rounding(official, num_examples):
    share = masks.official_share("official", 0.5, official, num_examples)
    assert masks.draw("official", 1, num_examples, pkeep=share).sum() == official


def test_seeds_differ_and_repeat():
    first, again, other = (masks.draw("balanced", 8, 100, seed=s) for s in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def test_a_model_without_members_is_refused():
    with pytest.raises(UserError, match="num_examples=2"):
        masks.draw("bernoulli", 64, 2, seed=0)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("all", [0, 1, 2, 3]),
        ("1:3", [1, 2]),
        ("::2", [0, 2]),
        ("3,1,1", [1, 3]),
        ("-2:", [2, 3]),
        ("0,2:4", [0, 2, 3]),
        ("3,1::2", [1, 3]),
    ],
)
def test_parse_ids(text, ids):
    assert masks.parse_ids(text, 4) == ids


@pytest.mark.parametrize("text", ["4", "-1", "a", "1:b", "2:2", "0,,1", "1:2:3:4", "0,4:", "::0"])
def test_parse_ids_refuses(text):
    with pytest.raises(UserError, match="model ids"):
        masks.parse_ids(text, 4)


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([3], "3"),
        ([0, 1], "0,1"),
        ([0, 1, 2, 3, 7], "0:4,7"),
        (list(range(3, 256, 8)), "3:252:8"),
        ([0, 2, 3, 4, 9, 11, 13], "0,2:5,9:14:2"),
    ],
)
def test_write_ids(ids, text):
    assert masks.write_ids(ids) == text


@given(st.sets(st.integers(0, 29), min_size=1))
def test_what_write_ids_writes_parse_ids_reads(ids):
    assert masks.parse_ids(masks.write_ids(sorted(ids)), 30) == sorted(ids)


def test_a_file_says_which_part_is_the_targets(tmp_path):
    part = np.arange(60) < 30  # such as the examples of one source
    np.save(tmp_path / "part.npy", part)
    kind = f"disjoint:{tmp_path}/part.npy"
    keep = masks.draw(kind, 8, 60, pkeep=0.5, seed=3)
    assert (keep[:4].sum(0) == np.where(part, 2, 0)).all()
    assert (keep[4:].sum(0) == np.where(part, 0, 2)).all()
    np.testing.assert_array_equal(masks.targets_pool(keep), part)
    assert masks.is_disjoint(kind)
    assert not masks.is_disjoint("file:disjoint")
    assert masks.members_share(kind, 0.5) == keep.mean()
    masks.check_same(kind, keep)
    np.save(tmp_path / "part.npy", ~part)
    with pytest.raises(UserError, match="the run was begun with other masks than are there now"):
        masks.check_same(kind, keep)
    (tmp_path / "part.npy").unlink()
    masks.check_same(kind, keep)  # what was drawn is in the run
    assert masks.absolute("disjoint:~/p.npy") == f"disjoint:{pathlib.Path.home()}/p.npy"
    assert masks.absolute("disjoint") == "disjoint"


def test_a_single_shadow_model_has_the_part_of_the_file(tmp_path):
    part = np.arange(60) % 2 == 0
    np.save(tmp_path / "part.npy", part)
    kind = f"disjoint:{tmp_path}/part.npy"
    keep = masks.draw(kind, 2, 60)
    assert keep[0, part].sum() == keep[1, ~part].sum() == keep.sum() / 2 == 15
    np.testing.assert_array_equal(masks.targets_pool(keep, kind), part)
    np.save(tmp_path / "part.npy", ~part)
    with pytest.raises(UserError, match="the run was begun with other masks than are there now"):
        masks.targets_pool(keep, kind)
    (tmp_path / "part.npy").unlink()
    with pytest.raises(UserError, match="No such file"):  # non-members could be of either part
        masks.targets_pool(keep, kind)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (np.arange(60) < 20, "20 of 60 examples are the targets'; take as many of each"),
        (np.arange(59) < 30, r"it holds bool \(59,\); it must be bool \[examples\], \(60,\)"),
        ((np.arange(60) < 30).astype(int), r"it holds int64 \(60,\); it must be bool"),
        (np.ones((8, 60), bool), r"it holds bool \(8, 60\)"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(tmp_path, part, message):
    np.save(tmp_path / "part.npy", part)
    kind = f"disjoint:{tmp_path}/part.npy"
    with pytest.raises(UserError, match=message) as error:
        masks.draw(kind, 4, 60)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("balanced", 3 / 10),
        ("bernoulli", 0.29),
        ("tf_privacy", 2 / 10),
        ("disjoint", None),
        ("pairs", None),
        ("official", None),
        ("file:masks.npy", None),
    ],
)
def test_coin_is_the_probability_of_independent_membership(kind, expected):
    assert masks.coin(kind, 10, 0.29) == expected


@pytest.mark.parametrize("kind", ["balanced", "bernoulli", "tf_privacy"])
def test_membership_of_one_model_is_as_independent_as_coins(kind):
    # The numbers of members in blocks of 25 examples vary as binomials do.
    keep = masks.draw(kind, 8, 10_000, pkeep=0.25)
    sizes = keep[3].reshape(400, 25).sum(1)
    share = masks.coin(kind, 8, 0.25)
    dispersion = np.var(sizes, ddof=1) / (25 * share * (1 - share))
    assert abs(dispersion - 1) < 3.3 * np.sqrt(2 / 399)
    assert abs(sizes.mean() / 25 - share) < 3.3 * np.sqrt(share * (1 - share) / 10_000)
