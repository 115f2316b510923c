"""TensorBoard event files (--tensorboard), from the records that go to metrics.jsonl."""

import importlib.util
import pathlib
import struct
import time

from lira_jax.errors import UserError

FILE = "events.out.tfevents.lira_jax"  # TensorBoard knows event files by "tfevents"

SCALARS = {
    "loss": "loss",
    "train_accuracy": "train_accuracy",
    "out_accuracy": "out_accuracy",
    "test_accuracy": "test_accuracy",
    "chunk_images_per_second": "images_per_second",
}
"""Field of metrics.jsonl -> tag in TensorBoard."""


def check_installed() -> None:
    """Raises a UserError unless tensorboardX is installed."""
    if importlib.util.find_spec("tensorboardX") is None:
        raise UserError(
            "--tensorboard: tensorboardX is not installed; pip install 'lira_jax[tensorboard]', "
            "or give --notensorboard"
        )


def append(folder: pathlib.Path, records: list[dict]) -> None:
    """Appends records to the event files of their models, FOLDER/model_0007/; the step is the
    epoch.

    tensorboardX's writers begin a new file each, and a resumed training comes to some epochs again:
    so a model's one file is taken up where it ends, what a kill cut short is dropped, and no step
    is written twice.
    """
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    for record in records:
        values = [
            Summary.Value(tag=tag, simple_value=record[field])
            for field, tag in SCALARS.items()
            if record[field] is not None
        ]
        event = Event(wall_time=time.time(), step=record["epoch"], summary=Summary(value=values))
        path = folder / f"model_{record['model']:04d}" / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            file.seek(0)
            messages, whole = _unframe(file.read())
            file.truncate(whole)
            if not messages:
                file.write(
                    _frame(
                        Event(
                            wall_time=event.wall_time, file_version="brain.Event:2"
                        ).SerializeToString()
                    )
                )
            if event.step not in {Event.FromString(m).step for m in messages}:
                file.write(_frame(event.SerializeToString()))


def _frame(message: bytes) -> bytes:
    """A record of an event file: length, its checksum, message, its checksum (TensorFlow's TFRecord
    format)."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(message))
    return (
        length
        + struct.pack("<I", masked_crc32c(length))
        + message
        + struct.pack("<I", masked_crc32c(message))
    )


def _unframe(data: bytes) -> tuple[list[bytes], int]:
    """The messages of whole records, and how many bytes these take."""
    messages, whole = [], 0
    while whole + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, whole)
        end = whole + 12 + length + 4
        if end > len(data):
            break
        messages.append(data[whole + 12 : end - 4])
        whole = end
    return messages, whole
