"""Targets from outside, from every form of file a user may have."""

import dataclasses

import numpy as np
import pytest

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Counterparts, Inside, Outside
from lira_jax.attacks.table import ATTACKS
from lira_jax.errors import UserError
from lira_jax.interop import queries
from lira_jax.interop.arrays import phi_from_logits
from lira_jax.interop.targets import read_targets, with_targets_of

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


def test_where_one_side_has_the_plain_query_alone_it_is_the_only_one(tmp_path, logits, capsys):
    np.save(tmp_path / "all.npy", logits)
    np.save(tmp_path / "plain.npy", logits[:, :, :1])
    every = read(tmp_path / "all.npy")[0]
    assert "query" not in capsys.readouterr().err
    np.testing.assert_array_equal(read(tmp_path / "plain.npy")[0], every[:, :, :1])
    assert "it has the plain query alone, so of the run's 3 queries only" in capsys.readouterr().err
    np.testing.assert_array_equal(read(tmp_path / "all.npy", queries=1)[0], every[:, :, :1])
    assert "the run has the plain query alone, so of its 3 queries" in capsys.readouterr().err


@pytest.mark.parametrize("tool", ["tf_privacy", "lira_analysis"])
@pytest.mark.parametrize("run_queries", [18, 1])
def test_queries_of_a_tools_order_are_brought_into_ours(tmp_path, tool, run_queries):
    ours = np.random.default_rng(0).normal(size=(N, 18, K)).astype(np.float32)
    theirs = ours[:, np.argsort(queries.grid_order(18, tool))]
    np.save(tmp_path / "ours.npy", ours)
    np.save(tmp_path / "theirs.npy", theirs)
    expected = read_targets(tmp_path / "ours.npy", LABELS, N, run_queries, K)
    found = read_targets(tmp_path / "theirs.npy", LABELS, N, run_queries, K, tool)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize(
    ("own", "run_queries", "message"),
    [
        (2, 18, "logits are of 2 queries, the run's of 18; give the same"),
        (18, 2, "logits are of 18 queries, the run's of 2; give the same"),
        (10, 10, "--targets_queries=tf_privacy: .* has 10 queries, which are no grid"),
    ],
)
def test_queries_that_cannot_be_compared_are_refused(tmp_path, own, run_queries, message):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(N, own, K)))
    with pytest.raises(UserError, match=message):
        read_targets(tmp_path / "a.npy", LABELS, N, run_queries, K, "tf_privacy")


def test_a_logits_file_of_tf_privacy_is_one_target(tmp_path, logits):
    np.save(tmp_path / "0000000100.npy", logits[0][:, None])
    np.save(tmp_path / "plain.npy", logits[0])
    for one, other in zip(
        read(tmp_path / "0000000100.npy")[:2], read(tmp_path / "plain.npy")[:2], strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_logits_of_minus_infinity_are_the_floor(tmp_path, logits, capsys):
    logits[0, 2, :, 3] = -np.inf
    np.save(tmp_path / "a.npy", logits)
    phi, plain, _ = read(tmp_path / "a.npy")
    assert np.isfinite(phi).all()
    assert np.isfinite(plain).all()
    assert "infinite logits" in capsys.readouterr().err


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


M, MANY = 6, 300
MANY_LABELS = np.arange(MANY, dtype=np.int32) % K


def evidence(seed=0, num_queries=2):
    """Models that know their members better, all targets; and their logits [M, N, A, K]."""
    rng = np.random.default_rng(seed)
    keep = rng.random((M, MANY)).argsort(0) < M // 2
    logits = rng.normal(size=(MANY, num_queries, K)) + rng.normal(size=(M, MANY, num_queries, K))
    logits[:, np.arange(MANY), :, MANY_LABELS] += 2 + 3 * keep.T[:, :, None]
    logits = logits.astype(np.float32)
    phi = np.array([phi_from_logits(z, MANY_LABELS) for z in logits])
    everyone = Inside(np.arange(M))
    return Evidence.of_arrays(MANY_LABELS, keep, everyone, phi=phi, logits=logits[:, :, 0]), logits


IDS = [10, 11, 12, 13, 14, 15]


def attack(name, e):
    return ATTACKS[name].run(e)


@pytest.mark.parametrize("name", ["lira_online", "lira_offline_fixed", "rmia_online", "loss"])
@pytest.mark.parametrize("told", [True, False])
def test_targets_that_are_models_of_the_run_are_attacked_as_such(tmp_path, name, told, capsys):
    e, logits = evidence()
    rows = [4, 0, 5]
    np.savez(tmp_path / "t.npz", logits=logits[rows], **({"keep": e.keep[rows]} if told else {}))
    outside = with_targets_of(e, IDS, tmp_path / "t.npz")
    inside = dataclasses.replace(e, targets=Inside(np.array(rows)))
    np.testing.assert_allclose(attack(name, outside), attack(name, inside), rtol=1e-5)
    np.testing.assert_array_equal(outside.members, inside.members)
    said = capsys.readouterr().err
    assert "target 0 and model 14, 1 and model 10, 2 and model 15 have the same outputs" in said
    assert "no shadow of" in said
    assert ("the model's members are taken" in said) != told


def test_a_target_from_elsewhere_is_attacked_with_every_model(tmp_path, capsys):
    e, _ = evidence()
    other, logits = evidence(seed=1)
    np.savez(tmp_path / "t.npz", logits=logits[2], keep=other.keep[2])
    found = with_targets_of(e, IDS, tmp_path / "t.npz")
    assert isinstance(found.targets, Outside)
    assert found.num_shadows == M
    said = capsys.readouterr().err
    size = other.keep[2].sum()
    assert f"1 targets, 300 examples x 2 queries, 4 classes, {size} members a model, acc" in said
    assert "shadow of the target" not in said


def test_a_membership_that_is_not_the_models_is_told_and_evaluated_with(tmp_path, capsys):
    e, logits = evidence()
    np.savez(tmp_path / "t.npz", logits=logits[3], keep=~e.keep[3])
    found = with_targets_of(e, IDS, tmp_path / "t.npz")
    np.testing.assert_array_equal(found.members, ~e.keep[[3]])
    inside = dataclasses.replace(e, targets=Inside(np.array([3])))
    np.testing.assert_allclose(
        attack("lira_online", found), attack("lira_online", inside), rtol=1e-5
    )
    said = capsys.readouterr().err
    assert "differs from the model's on 300 of 300 examples: is it inverted?" in said
    part = found.select(np.arange(7))
    np.testing.assert_array_equal(part.members, ~e.keep[[3], :7])
    np.savez(tmp_path / "t.npz", logits=logits[3], keep=e.keep[3] & (np.arange(MANY) < 100))
    with_targets_of(e, IDS, tmp_path / "t.npz")
    said = capsys.readouterr().err
    assert f"differs from the model's on {e.keep[3, 100:].sum()} of 300 examples\n" in said


def test_a_target_of_another_training_on_a_models_set_is_a_counterpart(tmp_path, capsys):
    e, _ = evidence()
    _, logits = evidence(seed=2)
    np.savez(tmp_path / "t.npz", logits=logits[2], keep=e.keep[2])
    found = with_targets_of(e, IDS, tmp_path / "t.npz")
    assert isinstance(found.targets, Counterparts)
    np.testing.assert_array_equal(found.targets.models, [2])
    assert "same members and other outputs" in capsys.readouterr().err


def test_models_of_the_run_beside_others_are_refused(tmp_path):
    e, logits = evidence()
    _, others = evidence(seed=2)
    np.savez(tmp_path / "t.npz", logits=np.stack([others[0], logits[3]]))
    with pytest.raises(
        UserError, match=r"\(target 1 is model 13\), and some are not: save the two"
    ):
        with_targets_of(e, IDS, tmp_path / "t.npz")


def test_logits_in_another_order_of_the_examples_are_noticed(tmp_path, capsys):
    e, _ = evidence()
    other, logits = evidence(seed=1)
    np.savez(tmp_path / "t.npz", logits=np.roll(logits[2], 1, axis=0), keep=other.keep[2])
    with_targets_of(e, IDS, tmp_path / "t.npz")
    said = capsys.readouterr().err
    assert "WARNING" in said
    assert "see to it that its logits are those of the run's examples, in the run's order" in said


def test_queries_that_look_like_another_order_are_noticed(tmp_path, capsys):
    rng = np.random.default_rng(0)
    e, logits = evidence(num_queries=18)
    target = logits.mean(0) + 0.3 * rng.normal(size=logits.shape[1:])
    for tool, order in (("ours", "ours"), ("tf_privacy", "ours"), ("tf_privacy", "tf_privacy")):
        np.save(tmp_path / "t.npy", target[:, np.argsort(queries.grid_order(18, tool))])
        with_targets_of(e, IDS, tmp_path / "t.npy", order)
        said = "the queries look like those of tf_privacy (--targets_queries=tf_privacy)"
        assert (said in capsys.readouterr().err) == (tool != order)


def test_scores_alone_are_attacked_on_scores(tmp_path):
    """A run that holds no logits: the target's own are not compared with any."""
    e, logits = evidence()
    e = Evidence.of_arrays(e.labels, e.keep, e.targets, phi=e.signals["phi"])
    np.savez(tmp_path / "t.npz", logits=logits[3])
    found = with_targets_of(e, IDS, tmp_path / "t.npz")
    assert "logits" not in found.signals
    inside = dataclasses.replace(e, targets=Inside(np.array([3])))
    np.testing.assert_allclose(
        attack("lira_online", found), attack("lira_online", inside), rtol=1e-5
    )


def write_tool(path, layout, e, logits):
    """A tool's run directory of these models; its queries are in its order."""
    order = queries.grid_order(2, "ours" if layout == "lira_pytorch" else layout)
    for row, model in enumerate(IDS):
        folder = (
            path
            / {
                "tf_privacy": f"experiment-{model}_16",
                "lira_pytorch": f"{model}",
                "lira_analysis": f"model_{model}",
            }[layout]
        )
        folder.mkdir(parents=True)
        own = logits[row][:, None, np.argsort(order)]
        if layout == "lira_pytorch":
            np.save(folder / "logits.npy", own[:, 0])
        else:
            (folder / "logits").mkdir()
            name = "0000000100" if layout == "tf_privacy" else "logits"
            np.save(folder / f"logits/{name}.npy", own)
        if layout != "lira_analysis":
            np.save(folder / "keep.npy", e.keep[row])
    if layout == "lira_analysis":
        mask = np.zeros((16, MANY), bool)
        mask[IDS] = e.keep
        np.save(path / "keep_indices.npy", mask)
    return path


@pytest.mark.parametrize("layout", ["tf_privacy", "lira_pytorch", "lira_analysis"])
def test_the_models_of_another_tools_run_are_targets(tmp_path, layout, capsys):
    e, _ = evidence()
    other, logits = evidence(seed=1)
    path = write_tool(tmp_path / "exp", layout, other, logits)
    found = with_targets_of(e, IDS, path)
    np.testing.assert_array_equal(found.members, other.keep)
    np.testing.assert_array_equal(found.of_targets("phi"), other.signals["phi"])
    one = next(folder for folder in path.iterdir() if "12" in folder.name)
    alone = with_targets_of(e, IDS, one)
    np.testing.assert_array_equal(alone.members, other.keep[[2]])
    np.testing.assert_array_equal(alone.of_targets("phi"), other.signals["phi"][[2]])
    own = write_tool(tmp_path / "own", layout, e, logits=evidence()[1])
    twin = with_targets_of(e, IDS, own / one.name)
    assert isinstance(twin.targets, Counterparts)
    assert "target 0 and model 12 have the same outputs and members" in capsys.readouterr().err


def test_a_run_of_our_own_is_no_file_of_targets(tmp_path):
    (tmp_path / "experiment.json").touch()
    with pytest.raises(UserError, match=r"is a run of lira_jax: give --workdir=.* as --shadows"):
        read(tmp_path)
