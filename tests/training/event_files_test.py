"""Event files, read back by their format's own definition."""

import json
import struct
import subprocess
import sys

import pytest

event_pb2 = pytest.importorskip(
    "tensorboardX.proto.event_pb2", reason="tensorboardX is not installed"
)

from lira_jax.training import event_files  # noqa: E402


def crc32c(data):
    """The Castagnoli checksum, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    """As tensorflow/core/lib/hash/crc32c.h defines it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF


def read(path):
    """All events of a file; fails on anything that is not a whole record with right checksums."""
    data, events = path.read_bytes(), []
    while data:
        (length,), (check,) = struct.unpack("<Q", data[:8]), struct.unpack("<I", data[8:12])
        assert check == masked(data[:8])
        message, (check,) = (
            data[12 : 12 + length],
            struct.unpack("<I", data[12 + length : 16 + length]),
        )
        assert check == masked(message)
        events.append(event_pb2.Event.FromString(message))
        data = data[16 + length :]
    return events


def scalars(path):
    """{step: {tag: value}} of a file that must hold each step once, after a first event with the
    format's version."""
    first, *events = read(path)
    assert first.file_version == "brain.Event:2"
    assert [e.step for e in events] == sorted({e.step for e in events})
    assert all(e.wall_time > 1.5e9 for e in events)
    return {e.step: {v.tag: v.simple_value for v in e.summary.value} for e in events}


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


def test_the_checksum_is_the_standard_one():
    assert crc32c(b"123456789") == 0xE3069283


def test_records_are_read_back(tmp_path):
    event_files.append(tmp_path, [record(0, 5), record(7, 5, loss=0.0625)])
    event_files.append(tmp_path, [record(7, 10)])
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
    event_files.append(tmp_path, [record(0, 1, loss=None, test_accuracy=None)])
    assert scalars(file_of(tmp_path, 0))[1].keys() == {
        "train_accuracy",
        "out_accuracy",
        "images_per_second",
    }


def test_an_epoch_that_is_trained_again_is_written_once(tmp_path):
    for epoch in (1, 2, 3, 2, 3, 4):
        event_files.append(tmp_path, [record(0, epoch)])
    assert list(scalars(file_of(tmp_path, 0))) == [1, 2, 3, 4]


def test_a_record_cut_short_anywhere_is_written_again(tmp_path):
    event_files.append(tmp_path, [record(0, 1)])
    path = file_of(tmp_path, 0)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        event_files.append(tmp_path, [record(0, 1)])
        event_files.append(tmp_path, [record(0, 2)])
        assert list(scalars(path)) == [1, 2]


def test_without_tensorboardx_nothing_begins(tmp_path):
    code = (
        "import sys; sys.modules['tensorboardX'] = None; from lira_jax.cli import train; "
        "train.cli()"
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
