import dataclasses
import errno
import json
import multiprocessing
import os

import numpy as np
import pytest
from by_hand import rewrite

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models.fingerprint import Fingerprint
from lira_jax.runs import directory, layout
from lira_jax.runs import files as files_lib
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.files import load_npy


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.settle_experiment(Experiment(), set())
    return run


def files(run):
    return sorted(p.name for p in run.path.rglob("*") if p.is_file() and p.name != ".lock")


def test_arrays_round_trip_and_are_plain_npy(run):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    run.write("scores/0000.npy", array)
    assert run.has("scores/0000.npy")
    np.testing.assert_array_equal(run.read("scores/0000.npy", (3, None)), array)
    np.testing.assert_array_equal(np.load(run.path / "scores/0000.npy", allow_pickle=False), array)


def test_rows_are_written_in_pieces(run):
    array = np.arange(60, dtype=np.float32).reshape(5, 3, 4)
    with run.rows_writer("logits/0000.npy", array.shape, array.dtype) as write:
        write(array[:2])
        write(array[2:].astype(np.float64))
    np.testing.assert_array_equal(run.read("logits/0000.npy"), array)


def test_processes_of_one_number_on_two_hosts_do_not_share_a_temporary_file(run, monkeypatch):
    array = np.arange(6, dtype=np.float32)
    monkeypatch.setattr(files_lib.platform, "node", lambda: "pod-a")
    with run.rows_writer("scores/0000.npy", array.shape, array.dtype) as write:
        write(array[:3])
        monkeypatch.setattr(files_lib.platform, "node", lambda: "pod-b")
        run.write("scores/0000.npy", array)
        write(array[3:])
    np.testing.assert_array_equal(run.read("scores/0000.npy"), array)


def test_an_interrupted_writer_leaves_nothing(run):
    before = files(run)

    def write_half(error):
        with run.rows_writer("a.npy", (2, 2), np.float32) as write:
            write(np.zeros((1, 2)))
            if error:
                raise error

    with pytest.raises(ZeroDivisionError):
        write_half(ZeroDivisionError)
    with pytest.raises(ValueError, match="1 of 2 rows"):
        write_half(None)
    assert files(run) == before


def test_a_full_disk_is_one_line_and_leaves_nothing(run, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = files(run)
    monkeypatch.setattr(directory.os, "fsync", full)
    with pytest.raises(UserError, match="the disk is full"):
        run.write("labels.npy", np.zeros(3))
    assert files(run) == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "is missing: run the stage that writes it"),
        (lambda p: p.write_bytes(p.read_bytes()[:-4]), "does not match its sha256"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1] + b"x"), "does not match its sha256"),
        (lambda p: p.write_bytes(b""), "does not match its sha256"),
    ],
)
def test_damaged_dumps_are_refused(run, damage, message):
    run.write("scores/0003.npy", np.ones((4, 2), np.float32))
    damage(run.path / "scores/0003.npy")
    with pytest.raises(UserError, match=message):
        run.read("scores/0003.npy")


@pytest.mark.parametrize(
    "name", ["exposure.npy", "sources.npy", "attacks/loss.npy", "probes/noise/labels.npy"]
)
def test_every_kind_of_dump_names_the_stage_that_writes_it(run, name):
    with pytest.raises(UserError, match=r"run the stage that writes it \(lira-"):
        run.read(name)


def test_what_is_settled_already_needs_no_lock(run, monkeypatch):
    """A run that is only read may be on a file system that is read-only."""
    run.settle_data("a" * 64, "--dataset=digits")

    def refuse():
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(run, "_lock", refuse)
    assert run.settle_experiment(Experiment(), set()) == Experiment()
    assert run.settle_experiment(Experiment(epochs=100), {"epochs"}) == Experiment()
    run.settle_data("a" * 64, "--dataset=digits")
    with pytest.raises(OSError, match="Read-only"):
        run.settle_experiment(Experiment(epochs=3), {"epochs"})
    with pytest.raises(OSError, match="Read-only"):
        run.settle_data("b" * 64, "--dataset=digits")


def test_truncated_dumps_are_made_again(run):
    run.write("scores/0003.npy", np.ones((4, 2), np.float32))
    path = run.path / "scores/0003.npy"
    path.write_bytes(path.read_bytes()[:-4])
    assert not run.has("scores/0003.npy")


def test_dumps_that_no_manifest_knows_are_refused(run):
    (run.path / "scores").mkdir()
    np.save(run.path / "scores/0001.npy", np.ones(3))
    assert not run.has("scores/0001.npy")
    with pytest.raises(UserError, match="not in manifest"):
        run.read("scores/0001.npy")


def test_a_mask_of_another_shape_is_refused(run):
    run.write("keep.npy", np.ones((4, 5), bool))
    with pytest.raises(UserError, match=r"shape \(4, 5\), not \(8, 5\)"):
        run.read("keep.npy", (8, 5))


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="not a whole"):
        load_npy(tmp_path / "evil.npy")


def test_contradicting_flags_name_field_and_both_values(run):
    asked = dataclasses.replace(Experiment(), num_models=16, queries=2)
    # Nothing depends on it yet.
    assert run.settle_experiment(asked, {"num_models"}).num_models == 16
    run.write("keep.npy", np.ones((16, 3), bool))
    with pytest.raises(UserError, match=r"--num_models=32: .* has num_models=16"):
        run.settle_experiment(dataclasses.replace(asked, num_models=32), {"num_models"})
    assert run.settle_experiment(asked, {"queries"}).queries == 2
    run.write("scores/0000.npy", np.ones((3, 2), np.float32))
    with pytest.raises(UserError, match=r"--queries=18: .* has queries=2"):
        run.settle_experiment(Experiment(), {"queries"})
    assert (
        run.settle_experiment(dataclasses.replace(asked, strategy="loop"), {"strategy"}).strategy
        == "loop"
    )


def test_what_a_living_process_works_by_is_fixed_and_read_back(run):
    """As two commands do it that are started together with other flags."""
    first, second = RunDirectory(run.path), RunDirectory(run.path)
    two = first.settle_experiment(Experiment(queries=2), {"queries"})
    many = second.settle_experiment(Experiment(queries=50), {"queries"})  # before the first works
    with (
        pytest.raises(UserError, match="--queries=2: another process has begun with queries=50 in"),
        first.working("score", two, [0]),
    ):
        pass
    with second.working("score", many, [0]):
        with pytest.raises(UserError, match=r"--queries=2: the run in .* has queries=50"):
            first.settle_experiment(Experiment(queries=2), {"queries"})
        other = first.settle_experiment(Experiment(strategy="loop"), {"strategy"})
        with first.working("score", other, [1]):
            pass
        with (
            pytest.raises(UserError, match="model 0 is being scored by process"),
            first.working("score", other, [0, 1]),
        ):
            pass
    assert first.settle_experiment(Experiment(queries=2), {"queries"}).queries == 2


def test_one_process_does_not_undo_what_another_has_settled(run):
    """The first finds nothing to change, and checks for long that it can run."""
    first, second = RunDirectory(run.path), RunDirectory(run.path)
    stored = run.settle_experiment(Experiment(queries=2), {"queries"})
    with first.settling(Experiment(), set()) as settled:
        assert settled == stored
        one = second.settle_experiment(Experiment(queries=1), {"queries"})
        with second.working("score", one, [0, 1]):
            first.store_experiment(settled)
            assert second.read_experiment() == one
            told = "--queries=2: another process has begun with queries=1"
            with pytest.raises(UserError, match=told), first.working("score", settled, [1]):
                pass


def test_trained_models_without_a_manifest_are_no_new_run(run):
    run.write(layout.KEEP, np.ones((8, 3), bool))
    (run.path / "checkpoints/0003/final").mkdir(parents=True)
    run.settle_experiment(Experiment(), set())
    manifest = (run.path / "manifest.json").read_text()
    for lost in (lambda path: path.unlink(), lambda path: path.write_text("{}")):
        lost(run.path / "manifest.json")
        for given in (set(), {"seed"}):
            with pytest.raises(UserError, match=r"it has checkpoints, and no manifest\.json that"):
                run.settle_experiment(Experiment(seed=5), given)
        (run.path / "manifest.json").write_text(manifest)
    run.settle_experiment(Experiment(), set())


def test_an_edited_experiment_is_refused_and_one_without_a_hash_is_read(run):
    path = run.path / "experiment.json"
    rewrite(path, '"epochs": 100', '"epochs": 99', hashed=True)
    with pytest.raises(UserError, match=r"experiment\.json was changed after it was written: rest"):
        run.read_experiment()
    rewrite(path, '"epochs": 99', '"epochs": 98')
    assert run.read_experiment().epochs == 98


def test_fields_not_given_come_from_the_run(run):
    settled = run.settle_experiment(dataclasses.replace(Experiment(), epochs=7), {"epochs"})
    assert RunDirectory(run.path).settle_experiment(Experiment(), set()) == settled


def test_somebody_elses_directory_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="not empty"):
        RunDirectory(tmp_path).settle_experiment(Experiment(), set())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="it is a file"):
        RunDirectory(tmp_path / "file").settle_experiment(Experiment(), set())


def test_bad_experiments_make_no_directory(tmp_path):
    with pytest.raises(UserError, match="num_models"):
        RunDirectory(tmp_path / "run").settle_experiment(
            dataclasses.replace(Experiment(), num_models=3), set()
        )
    assert not (tmp_path / "run").exists()


def test_changed_data_are_refused(run):
    run.settle_data("a" * 64, "--dataset=npz")
    run.settle_data("a" * 64, "--dataset=npz")
    with pytest.raises(UserError, match="--dataset=npz: the data have sha256 bbbb"):
        run.settle_data("b" * 64, "--dataset=npz")


def _write_many(path, first):
    for i in range(first, first + 20):
        RunDirectory(path).write(layout.POOL.signal("phi", i), np.full((2, 2), i, np.float32))


def test_code_that_computes_something_else_is_refused(run):
    then, now = (
        Fingerprint("a" * 64, "jax 1.0, flax 2.0"),
        Fingerprint("b" * 64, "jax 1.0, flax 2.0"),
    )
    run.check_code(now, "--model=m:f")  # nothing is known yet, and nothing is entered
    run.settle_code(None, "")
    run.settle_code(then, "--model=m:f")
    run.settle_code(then, "--model=m:f")
    for settle in (run.check_code, run.settle_code):
        with pytest.raises(UserError, match=r"^--model=m:f: its code computes something else"):
            settle(now, "--model=m:f")
    assert run.dumps() == {}


def test_under_other_packages_code_cannot_be_compared_which_is_said_once(run, capsys):
    run.settle_code(Fingerprint("a" * 64, "jax 1.0"), "--model=m:f")
    newer = Fingerprint("b" * 64, "jax 2.0")
    for _ in range(2):
        run.settle_code(newer, "--model=m:f")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert (
        "began with jax 1.0; whether the code is the same cannot be told under jax 2.0" in said[0]
    )
    with pytest.raises(UserError, match="computes something else"):
        run.settle_code(Fingerprint("c" * 64, "jax 2.0"), "--model=m:f")
    with pytest.raises(UserError, match="computes something else"):
        run.settle_code(dataclasses.replace(newer, versions="jax 1.0"), "--model=m:f")


def test_processes_fill_one_manifest_together(run):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(run.path, first)) for first in (0, 20, 40)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(run.read(layout.POOL.signal("phi", i))[0, 0] == i for i in range(60))


def test_metrics_survive_a_cut_line(run):
    run.append_metrics([{"model": 0, "epoch": 1}])
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"model": 1, "ep')
    assert run.read_metrics() == [{"model": 0, "epoch": 1}]
    run.append_metrics([{"model": 1, "epoch": 1}, {"model": 2, "epoch": 1}])  # the resumed training
    assert [r["model"] for r in run.read_metrics()] == [0, 1, 2]


def test_a_changed_line_of_metrics_is_passed_over_aloud(run, capsys):
    run.append_metrics([{"model": m, "epoch": 1, "loss": 2.5, "diverged": None} for m in range(3)])
    path = run.path / "metrics.jsonl"
    first, second, third = path.read_text().splitlines()
    earlier = {n: v for n, v in json.loads(third).items() if n != "sha256"}
    path.write_text("\n".join([first, second.replace("2.5", "1.5"), json.dumps(earlier), ""]))
    assert [(r["model"], r["loss"]) for r in run.read_metrics()] == [(0, 2.5), (2, 2.5)]
    assert all("sha256" not in r for r in run.read_metrics())
    said = capsys.readouterr().err
    assert said.endswith("changed after they were written are passed over: 1\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"model": 1, "ep',
        b'{"model": "x", "epoch": 1}',
        b'{"model": 1, "epoch": 2, "diverged": 5}',
        b'{"model": 1, "epoch": 2, "loss": "x"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_record_of_metrics_is_passed_over(run, line):
    run.append_metrics([{"model": 0, "epoch": 1, "loss": 2.5}])
    with open(run.path / "metrics.jsonl", "ab") as file:
        file.write(line)
    run.append_metrics([{"model": 1, "epoch": 1, "loss": None}])
    assert [r["model"] for r in run.read_metrics()] == [0, 1]


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        5,
        {"keep.npy": []},
        {"keep.npy": {"sha256": 5, "bytes": 1}},
        {"keep.npy": {"bytes": 1}},
        {"attacks/../../theirs.npy": {"sha256": "", "bytes": 1}},
        {"/theirs.npy": {"sha256": "", "bytes": 1}},
    ],
)
def test_a_manifest_of_other_things_is_refused(run, manifest):
    run.write_json("manifest.json", manifest)
    with pytest.raises(UserError, match=r"manifest\.json holds no hashes of the files of a run"):
        run.dumps()


def test_a_folder_or_pipe_in_the_place_of_a_file_is_one_line(run):
    run.write("keep.npy", np.ones((2, 3), bool))
    for name in ("keep.npy", "manifest.json", "metrics.jsonl"):
        (run.path / name).unlink(missing_ok=True)
        (run.path / name).mkdir()
        with pytest.raises(UserError, match="a folder, not a file"):
            run.read_metrics() if name == "metrics.jsonl" else run.read(name)
        (run.path / name).rmdir()
        os.mkfifo(run.path / name)
        with pytest.raises(UserError, match="a pipe or a device, not a file"):
            run.read_metrics() if name == "metrics.jsonl" else run.read(name)
        (run.path / name).unlink()


def test_a_pipe_in_the_place_of_the_lock_or_of_a_claim_holds_nobody_up(run):
    run.append_metrics([{"model": 0, "epoch": 1}])
    (run.path / ".lock").unlink()
    os.mkfifo(run.path / ".lock")
    with pytest.raises(UserError, match=r"\.lock: a pipe or a device, not a file"):
        run.append_metrics([{"model": 0, "epoch": 2}])
    (run.path / ".lock").unlink()
    (run.path / ".processes").mkdir(exist_ok=True)
    os.mkfifo(run.path / ".processes/train.host@1.0.json")
    assert run.claims() == []
    (run.path / "metrics.jsonl").unlink()
    os.mkfifo(run.path / "metrics.jsonl")
    with pytest.raises(UserError, match=r"metrics\.jsonl: a pipe or a device, not a file"):
        run.append_metrics([{"model": 0, "epoch": 2}])


def test_the_home_of_a_user_that_there_is_not_is_a_name_like_others(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert not RunDirectory("~no-such-user/run").has_experiment()


def test_a_name_that_no_command_writes_is_told_as_missing(run):
    """As of a manifest in which a letter has changed."""
    with pytest.raises(UserError, match=r"attackc/loss\.npy is missing: run the stage"):
        run.read("attackc/loss.npy")
