"""TensorBoard event files (--tensorboard), from the records that go to metrics.jsonl."""

import importlib.util
import pathlib
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

_AROUND_A_MESSAGE = 16  # bytes of a record: the message's length and two checksums


def check_installed() -> None:
    """Raises a UserError unless TensorBoard is installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError(
            "--tensorboard: TensorBoard is not installed; pip install 'lira_jax[tensorboard]', "
            "or give --notensorboard"
        )


class EventFiles:
    """The event files of models, FOLDER/model_0007/; the step is the epoch.

    TensorBoard's own writers begin a new file each, and a resumed training comes to some epochs
    again. So a model's one file is taken up where it ends, what a kill cut short is dropped, and no
    step is written twice.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._steps: dict[int, set[int]] = {}  # of the models whose files were taken up here

    def append(self, records: list[dict]) -> None:
        """Appends records of metrics.jsonl to the files of their models."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        for record in records:
            model, step = record["model"], record["epoch"]
            path = self.folder / f"model_{model:04d}" / FILE
            if model not in self._steps:
                self._steps[model] = _take_up(path)
            if step in self._steps[model]:
                continue
            values = [
                Summary.Value(tag=tag, simple_value=record[field])
                for field, tag in SCALARS.items()
                if record[field] is not None
            ]
            _write(path, Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
            self._steps[model].add(step)


def _take_up(path: pathlib.Path) -> set[int]:
    """Readies a new file, or one of an earlier process, and says which steps it has."""
    # TensorBoard's event_file_loader would import TensorFlow, where that is installed, for seconds.
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub import errors
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    reader, messages = PyRecordReader_New(str(path)), []
    try:
        while True:
            reader.GetNext()
            messages.append(reader.record())
    except (errors.OutOfRangeError, errors.DataLossError):
        pass  # the end, or a record that was cut short
    with open(path, "r+b") as file:
        file.truncate(sum(len(m) + _AROUND_A_MESSAGE for m in messages))
    if not messages:
        _write(path, Event(wall_time=time.time(), file_version="brain.Event:2"))
    return {Event.FromString(m).step for m in messages}


def _write(path: pathlib.Path, event) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    with open(path, "ab") as file:
        RecordWriter(file).write(event.SerializeToString())
