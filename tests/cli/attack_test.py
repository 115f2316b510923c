"""What lira-attack reads and where it writes."""

import pathlib

import numpy as np
import pytest
from cli.scored_run import K, N, scored

from lira_jax.audit.results import Results
from lira_jax.cli import attack, export, report
from lira_jax.cli.flags import parse
from lira_jax.defences import releases
from lira_jax.errors import UserError
from lira_jax.interop import release
from lira_jax.interop.write import export as write_export
from lira_jax.runs import data as run_data
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import HALF_KNOWN_TABLE, POOL, RESULTS_TABLE, attack_of

ATTACKS = "--attacks=lira_online,loss"


def call(module, *flags):
    """Runs a command in this process, where a UserError reaches the test."""
    parse([f"lira-{module.__name__.rpartition('.')[2]}", *map(str, flags)])
    module.main()


@pytest.fixture
def run(tmp_path):
    return scored(tmp_path / "run", queries=2, models=6, save_logits="plain")[0]


@pytest.fixture
def target(run, tmp_path):
    """Logits of a model that is none of the run, with its members."""
    rng = np.random.default_rng(7)
    logits = run.read(POOL.signal("logits", 0)) + rng.normal(0, 2, (N, K)).astype(np.float32)
    np.savez(tmp_path / "theirs.npz", logits=logits, keep=rng.random(N) < 0.5)
    return tmp_path / "theirs.npz"


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("out", [[], ["--out="], ["--out={run}"], ["--out={run}/../run"]])
def test_a_target_from_outside_leaves_the_runs_own_attacks_alone(run, target, out):
    call(attack, f"--workdir={run.path}", ATTACKS)
    before = content(run.path)
    out = [flag.format(run=run.path) for flag in out]
    with pytest.raises(UserError, match=r"--out=.*theirs.npz is no model of the run.*name a"):
        call(attack, f"--workdir={run.path}", f"--targets={target}", ATTACKS, *out)
    assert content(run.path) == before


def test_results_of_another_run_are_left_alone_too(run, target, tmp_path):
    other = scored(tmp_path / "other", queries=2, models=6)[0]
    for flags in ([f"--targets={target}"], [f"--shadows={other.path}"]):
        with pytest.raises(UserError, match="in that directory are the results of a run's own"):
            call(attack, f"--workdir={run.path}", f"--out={other.path}", ATTACKS, *flags)


def test_a_target_from_outside_is_evaluated_elsewhere(run, target, tmp_path, capsys):
    before = content(run.path)
    call(attack, f"--workdir={run.path}", f"--targets={target}", f"--out={tmp_path}/out", ATTACKS)
    assert np.load(tmp_path / "out/attacks/lira_online.npy").shape == (1, N)
    assert "lira_online" in capsys.readouterr().out
    assert content(run.path) == before


def test_targets_of_members_alone_get_scores_of_every_attack(run, target, tmp_path, capsys):
    logits = np.load(target)["logits"]
    for member, said in ((True, "trained on all examples"), (False, "trained on none")):
        np.savez(target, logits=logits, keep=np.full(N, member))
        out = tmp_path / f"out{member}"
        call(attack, f"--workdir={run.path}", f"--targets={target}", f"--out={out}", ATTACKS)
        assert {p.name for p in (out / "attacks").glob("*.npy")} == {
            "lira_online.npy",
            "loss.npy",
        }
        assert f"the targets {said}" in capsys.readouterr().err


def test_a_model_of_the_run_in_a_file_is_attacked_as_it_is_in_the_run(tmp_path, capsys):
    plain, _, _, keep = scored(tmp_path / "plain", queries=1, models=6)
    logits = plain.read(POOL.signal("logits", 2))
    np.savez(tmp_path / "t.npz", logits=logits, keep=keep[2])
    call(attack, f"--workdir={plain.path}", f"--targets={tmp_path}/t.npz", f"--out={tmp_path}/a")
    assert "target 0 and model 2 have the same outputs and members" in capsys.readouterr().err
    call(attack, f"--workdir={plain.path}", "--targets=2", f"--out={tmp_path}/b")
    for one in (tmp_path / "b/attacks").glob("*.npy"):
        np.testing.assert_allclose(np.load(tmp_path / "a/attacks" / one.name), np.load(one), 1e-4)


def test_a_home_directory_is_expanded(run, target, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "run")
    call(attack, "--workdir=~/run", "--targets=~/theirs.npz", "--out=~/out", ATTACKS)
    assert (tmp_path / "out/results.json").exists()
    call(attack, "--workdir=~/run", "--shadows=~/run", "--out=~/two", ATTACKS)
    (tmp_path / "some.flags").write_text("--queries=2\n")
    call(attack, "--flagfile=~/some.flags", "--workdir=~/run", ATTACKS)
    call(export, "--workdir=~/run", "--out=~/exported", "--format=lira_pytorch")
    assert (tmp_path / "exported/0/keep.npy").exists()
    call(attack, "--workdir=~/exported", "--out=~/three", ATTACKS)
    call(report, "--workdir=~/run", "--compare=~/out,~/two")
    assert (tmp_path / "run/report/compare.html").exists()
    assert not list(tmp_path.glob("**/~*"))
    assert RunDirectory("~/run").path == tmp_path / "run"


def test_a_file_of_targets_that_is_not_there_is_called_so(run, tmp_path):
    for workdir in (run.path, tmp_path / "exported"):
        if workdir != run.path:
            write_export(run, run.read_experiment(), workdir, "tf_privacy")
        with pytest.raises(UserError, match="--targets=nowhere.npz: there is no such file"):  # noqa: RUF043
            call(attack, f"--workdir={workdir}", "--targets=nowhere.npz", f"--out={tmp_path}/o")


def test_paths_that_are_no_directories_are_named_by_their_flag(run, target, tmp_path):
    own, nowhere = f"--workdir={run.path}", tmp_path / "nowhere"
    for module, flags, message in (
        (attack, [f"--workdir={target}"], "--workdir=.*theirs.npz: it is a file; give a run dir"),
        (attack, [own, f"--out={target}"], "--out=.*theirs.npz: it is a file; give a directory"),
        (attack, [own, f"--shadows={nowhere}", "--out=x"], "--shadows=.*nowhere: there is no run"),
        (report, [own, f"--compare={nowhere}"], "--compare=.*nowhere: there is no such dir"),
    ):
        with pytest.raises(UserError, match=message):
            call(module, *flags)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("layout", ["tf_privacy", "lira_pytorch"])
def test_a_run_that_is_only_read_needs_no_lock(run, tmp_path, layout):
    run_data.load_data(run)  # as lira-train has entered the data
    (run.path / ".lock").unlink()
    before = content(run.path)
    call(attack, f"--workdir={run.path}", f"--out={tmp_path}/out", ATTACKS)
    call(export, f"--workdir={run.path}", f"--out={tmp_path}/exported", f"--format={layout}")
    assert content(run.path) == before
    assert not (run.path / ".lock").exists()


def test_an_order_of_queries_is_for_a_file(run, tmp_path):
    with pytest.raises(UserError, match="--targets_queries=tf_priv: did you mean tf_privacy"):
        call(attack, f"--workdir={run.path}", "--targets_queries=tf_priv")
    with pytest.raises(UserError, match="--targets_queries=tf_privacy: it is for a file"):
        call(attack, f"--workdir={run.path}", "--targets_queries=tf_privacy")
    path: pathlib.Path = tmp_path / "exported"
    write_export(run, run.read_experiment(), path, "tf_privacy")
    call(attack, f"--workdir={path}", f"--targets={path}/experiment-1_6", f"--out={tmp_path}/out")


def test_variants_of_an_attack_stand_beside_each_other_everywhere(run, capsys):
    text = "rmia_online,rmia_online+combine=vote+gamma=1.0,rmia_online+signal=taylor+z=nonmembers"
    call(attack, f"--workdir={run.path}", f"--attacks={text}")
    names = [
        "rmia_online",
        "rmia_online+gamma=1+combine=vote",
        "rmia_online+signal=taylor+z=nonmembers",
    ]
    rows = (run.path / RESULTS_TABLE).read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == names
    assert {name for name in map(attack_of, run.dumps()) if name} == set(names)
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in printed for name in names)
    plain, vote, taylor = (run.read(layout.attack(name)) for name in names)
    assert np.any(plain != vote)
    assert np.any(plain != taylor)
    call(attack, f"--workdir={run.path}", "--compat=rmia", "--attacks=rmia_online")
    assert np.any(run.read(layout.attack("rmia_online")) != plain)


def test_the_protocol_of_known_members_writes_its_own_table_alone(run, capsys):
    before = content(run.path)
    call(attack, f"--workdir={run.path}", "--protocol=known", "--targets=0,1")
    said = capsys.readouterr()
    assert "naive, table 3" in said.out
    assert "softmax: no class has members and non-members enough" in said.out + said.err
    assert set(content(run.path)) - set(before) == {"known.csv"}
    with pytest.raises(UserError, match="--known=1: give a fraction"):
        call(attack, f"--workdir={run.path}", "--protocol=known", "--known=1")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--known_fewest=1", "--known_fewest=1: give 0 or a whole number from 2 on"),
        ("--known_most=-1", "--known_most=-1: give 0 or"),
        ("--known_ways=", "--known_ways=: name some of all, softmax"),
        ("--at_epochs=3", "--at_epochs=3: the run in"),
    ],
)
def test_a_wrong_flag_of_the_protocol_of_known_members_is_told_before_it_begins(
    run, capsys, flag, message
):
    before = content(run.path)
    with pytest.raises(UserError, match=message):
        call(attack, f"--workdir={run.path}", "--protocol=known", flag)
    assert "naive" not in capsys.readouterr().out
    assert content(run.path) == before


def test_both_attackers_stand_in_one_table(run, capsys):
    release.release(run, run.read_experiment(), range(6), releases.parse("argmax"))
    flags = (f"--workdir={run.path}", "--release=argmax", "--attacks=class_confidence,loss")
    call(attack, *flags, "--shadows_defence=both")
    table = capsys.readouterr().out.split("An attacker who knows the defence")[1].splitlines()
    assert table[1].split("  ")[0] == "attack"
    rows = {line.split()[0]: line.split() for line in table[3:5]}
    for who, folder in ((1, "released/argmax"), (2, "released/argmax/naive")):
        found = Results.read(run.path / folder)
        assert found.shadows_defence == ("same", "none")[who - 1]
        for name in ("class_confidence", "loss"):
            assert rows[name][who] == f"{found.attacks[name].metrics['auc'].value:.3f}"


def test_both_attackers_of_a_defence_in_training(run, tmp_path, capsys):
    plain = scored(tmp_path / "plain", queries=2, models=6, save_logits="plain")[0]
    call(attack, f"--workdir={run.path}", ATTACKS)
    alone = Results.read(run.path).attacks["lira_online"].metrics["auc"]
    flags = (f"--workdir={run.path}", f"--shadows={plain.path}", ATTACKS)
    call(attack, *flags, "--shadows_defence=both")
    assert "lira_online" in capsys.readouterr().out.split("An attacker who knows the defence")[1]
    assert Results.read(run.path).attacks["lira_online"].metrics["auc"] == alone
    assert Results.read(run.path / "naive").shadows == str(plain.path)
    with pytest.raises(UserError, match="--shadows_defence=both: name a --release"):
        call(attack, f"--workdir={run.path}", "--shadows_defence=both", ATTACKS)


def test_the_protocol_of_half_of_the_members_writes_its_own_table(run, capsys):
    before = content(run.path)
    call(attack, f"--workdir={run.path}", "--protocol=half_known", "--targets=0,1")
    assert "network, label" in capsys.readouterr().out
    assert set(content(run.path)) - set(before) == {HALF_KNOWN_TABLE}
    rows = (run.path / HALF_KNOWN_TABLE).read_text().splitlines()
    assert rows[0] == "attack,target,balanced_accuracy"
    assert len(rows) == 1 + 2 * 9


def test_named_examples_alone_have_scores(run, tmp_path):
    np.save(tmp_path / "which.npy", np.arange(0, N, 2))
    flags = (f"--examples={tmp_path}/which.npy", f"--out={tmp_path}/out")
    call(attack, f"--workdir={run.path}", ATTACKS, *flags)
    scores = np.load(tmp_path / "out/attacks/lira_online.npy")
    assert scores.shape == (6, N)
    assert np.isnan(scores[:, 1::2]).all()
    assert np.isfinite(scores[:, ::2]).any()
    exposed = np.load(tmp_path / "out/exposure.npy")
    assert exposed.shape == (N,)
    assert np.isnan(exposed[1::2]).all()
    found = Results.read(tmp_path / "out")
    assert found.num_examples == (N + 1) // 2


def test_a_table_of_known_members_that_others_wrote_is_not_overwritten(run, tmp_path):
    out = tmp_path / "out"
    flags = (f"--workdir={run.path}", "--protocol=known", "--targets=0", f"--out={out}")
    for _ in range(2):  # its own may be written again
        call(attack, *flags)
        assert (out / "known.csv").read_text().startswith("way,group,mix,")
    (out / "manifest.json").unlink()
    (out / "known.csv").write_text("mine")
    with pytest.raises(UserError, match=r"known\.csv in it is not from lira-attack"):
        call(attack, *flags)
    assert (out / "known.csv").read_text() == "mine"
