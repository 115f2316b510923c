"""Event files, read back by TensorBoard."""

import json
import subprocess
import sys

import pytest

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
)

from lira_jax.training import event_files  # noqa: E402
from lira_jax.training.event_files import EventFiles  # noqa: E402


def scalars(path):
    """{step: {tag: value}} that TensorBoard finds in a file; a tag must have each step once."""
    size = {event_accumulator.SCALARS: 0}  # all of them
    found = event_accumulator.EventAccumulator(str(path), size, purge_orphaned_data=False).Reload()
    assert found.file_version == 2
    by_step = {}
    for tag in found.Tags()["scalars"]:
        events = found.Scalars(tag)
        assert [e.step for e in events] == sorted({e.step for e in events})
        for event in events:
            assert event.wall_time > 1.5e9
            by_step.setdefault(event.step, {})[tag] = event.value
    return by_step


def record(model, epoch, **changed):
    return {
        "model": model,
        "epoch": epoch,
        "loss": 0.5,
        "train_accuracy": 0.75,
        "out_accuracy": 0.25,
        "test_accuracy": 0.125,
        "diverged": None,
        "chunk_models": 2,
        "chunk_images_per_second": 1024.0,
        **changed,
    }


def file_of(folder, model):
    (path,) = (folder / f"model_{model:04d}").iterdir()
    return path


def test_records_are_read_back(tmp_path):
    written = EventFiles(tmp_path)
    written.append([record(0, 5), record(7, 5, loss=0.0625)])
    written.append([record(7, 10)])
    expected = {
        "loss": 0.5,
        "train_accuracy": 0.75,
        "out_accuracy": 0.25,
        "test_accuracy": 0.125,
        "images_per_second": 1024.0,
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model_0000", "model_0007"]
    assert scalars(file_of(tmp_path, 0)) == {5: expected}
    assert scalars(file_of(tmp_path, 7)) == {5: {**expected, "loss": 0.0625}, 10: expected}
    assert "tfevents" in file_of(tmp_path, 7).name


def test_what_is_unknown_is_left_out(tmp_path):
    EventFiles(tmp_path).append([record(0, 1, loss=None, test_accuracy=None)])
    assert scalars(file_of(tmp_path, 0))[1].keys() == {
        "train_accuracy",
        "out_accuracy",
        "images_per_second",
    }


def test_an_epoch_that_is_trained_again_is_written_once(tmp_path):
    # The second process was resumed, and memory ran out in it.
    for process in ((1, 2, 3), (2, 3, 4, 3, 4, 5)):
        written = EventFiles(tmp_path)
        for epoch in process:
            written.append([record(0, epoch)])
    assert list(scalars(file_of(tmp_path, 0))) == [1, 2, 3, 4, 5]


def test_a_record_cut_short_anywhere_is_written_again(tmp_path):
    EventFiles(tmp_path).append([record(0, 1)])
    path = file_of(tmp_path, 0)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        written = EventFiles(tmp_path)
        written.append([record(0, 1)])
        written.append([record(0, 2)])
        assert list(scalars(path)) == [1, 2]


def test_what_stands_behind_a_damaged_record_is_dropped(tmp_path):
    written = EventFiles(tmp_path)
    written.append([record(0, 1)])
    path = file_of(tmp_path, 0)
    length = path.stat().st_size
    written.append([record(0, 2)])
    damaged = bytearray(path.read_bytes())
    damaged[length - 6] ^= 1  # in the message of epoch 1
    path.write_bytes(damaged)
    EventFiles(tmp_path).append([record(0, 3)])
    assert list(scalars(path)) == [3]


def test_without_tensorboard_nothing_begins(tmp_path):
    code = (
        "import sys; sys.modules['tensorboard'] = None; from lira_jax.cli import train; train.cli()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"--workdir={tmp_path}/run", "--tensorboard"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "pip install 'lira_jax[tensorboard]'" in line
    assert not (tmp_path / "run/keep.npy").exists()


@pytest.mark.slow
def test_workers_write_the_scalars_of_their_metrics(tmp_path):
    flags = [
        "--num_models=2",
        "--hidden=8",
        "--num_examples=60",
        "--batch_size=16",
        "--epochs=4",
        "--log_every=2",
    ]
    command = [sys.executable, "-m", "lira_jax.cli.train", f"--workdir={tmp_path}/run", *flags]
    done = subprocess.run(
        [*command, "--tensorboard", "--workers=2"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    records = [
        json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    ]
    for model in (0, 1):
        own = {r["epoch"]: r for r in records if r["model"] == model}
        written = scalars(file_of(tmp_path / "run/tensorboard", model))
        assert written.keys() == own.keys() == {2, 4}
        for epoch, values in written.items():
            expected = {tag: own[epoch][field] for field, tag in event_files.SCALARS.items()}
            assert values == pytest.approx(
                {t: v for t, v in expected.items() if v is not None}, rel=1e-6
            )
