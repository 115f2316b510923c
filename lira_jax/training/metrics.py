"""How well some models do, what became of them, and the records of metrics.jsonl."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lira_jax.ensemble import hardware
from lira_jax.ensemble.sweep import sweep, usual_batch
from lira_jax.runs import health
from lira_jax.runs.health import Diagnosis, Summary
from lira_jax.training.programs import Programs


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one model, on plain examples.

    Accuracies and losses, mean cross-entropies of the labels, are None without logits or without
    such examples.
    """

    model: int
    train_accuracy: float | None
    out_accuracy: float | None  # on the pool's examples it did not train on
    test_accuracy: float | None  # on the test set, if there is one
    diagnosis: Diagnosis
    train_loss: float | None = None
    out_loss: float | None = None
    test_loss: float | None = None


def evaluate(
    programs: Programs, state, ids: Sequence[int], keep: np.ndarray, images, labels
) -> list[Outcome]:
    """Accuracies and losses of some models on the plain examples.

    Args:
      state: of the models, maybe padded; `ids` are its first.
      keep: bool [models of the run, examples].
      images, labels: of the pool, on the devices or in host memory.
    """
    dataset = programs.dataset
    own = _outputs(programs, state, images, labels, len(ids))
    tested: list[tuple[float | None, float | None]] = [(None, None)] * len(ids)
    if dataset.x_test is not None and dataset.y_test is not None:
        said = _outputs(programs, state, dataset.x_test, dataset.y_test, len(ids))
        tested = [(outputs.accuracy(dataset.y_test), _mean(loss)) for outputs, loss in said]
    return [
        Outcome(
            model=i,
            train_accuracy=outputs.accuracy(dataset.y, keep[i]),
            out_accuracy=outputs.accuracy(dataset.y, ~keep[i]),
            test_accuracy=test_accuracy,
            diagnosis=health.diagnose(outputs, dataset.y, keep[i]),
            train_loss=_mean(loss, keep[i]),
            out_loss=_mean(loss, ~keep[i]),
            test_loss=test_loss,
        )
        for i, (outputs, loss), (test_accuracy, test_loss) in zip(ids, own, tested, strict=True)
    ]


def _outputs(
    programs: Programs, state, images, labels, models: int
) -> list[tuple[Summary, np.ndarray | None]]:
    """What the first so many models say of some examples, and their losses [examples]."""
    batch = usual_batch(programs.devices, programs.network)
    swept, losses = zip(*sweep(programs.evaluate, state, images, labels, batch), strict=True)
    together = health.concatenate(swept, axis=1)
    known = None if losses[0] is None else np.concatenate(losses, axis=1)
    return [
        (together.of_model(row), None if known is None else known[row]) for row in range(models)
    ]


def _mean(loss: np.ndarray | None, which: np.ndarray | slice = slice(None)) -> float | None:
    """The mean loss of some of the examples; None if there are none, or no losses."""
    if loss is None or not len(own := loss[which]):
        return None
    return float(own.mean(dtype=np.float64))


def no_loss(metrics: Mapping[str, Any], models: int) -> bool:
    """Whether the last step of an epoch gave none of the first so many models a finite loss.

    Args:
      metrics: of the epoch, name -> [models, steps].
    """
    return not np.isfinite(np.asarray(metrics["loss"])[:models, -1]).any()


def records(
    outcomes: Sequence[Outcome],
    metrics: Mapping[str, np.ndarray],
    programs: Programs,
    *,
    epoch: int,
    epochs_run: int,
    seconds: float,
    width: int,
    flops_per_image: float,
) -> list[dict]:
    """Lines for metrics.jsonl, one a model.

    Args:
      outcomes: of the models of a chunk.
      metrics: of the newest epoch, name -> [models, steps].
      epoch: epochs that the models have been trained for.
      epochs_run: of these, the ones that this process ran, in `seconds`.
      width: models side by side, padding counted.
    """
    images = epochs_run * programs.steps * programs.experiment.batch_size
    speed = len(outcomes) * images / seconds
    flops, peak = speed * flops_per_image, hardware.peak_flops(programs.devices.devices.flat[0])
    means = {name: np.asarray(values).mean(1) for name, values in metrics.items()}
    means = {"loss": means.pop("loss"), **means}
    return [
        {
            "model": o.model,
            "epoch": epoch,
            **{name: _number(mean[row]) for name, mean in means.items()},
            "train_accuracy": o.train_accuracy and round(o.train_accuracy, 6),
            "out_accuracy": o.out_accuracy and round(o.out_accuracy, 6),
            "test_accuracy": o.test_accuracy and round(o.test_accuracy, 6),
            "train_loss": _number(o.train_loss),
            "out_loss": _number(o.out_loss),
            "test_loss": _number(o.test_loss),
            **dataclasses.asdict(o.diagnosis),
            "chunk_models": len(outcomes),
            "chunk_seconds": round(seconds, 3),
            "chunk_images_per_second": round(speed, 1),
            "compile_seconds": round(programs.compile_seconds[width], 3),
            "flops_per_second": float(f"{flops:.4g}"),
            "flop_utilisation": peak and round(flops / (peak * programs.devices.size), 4),
        }
        for row, o in enumerate(outcomes)
    ]


def _number(x) -> float | None:
    """A float for JSON, which has no NaN."""
    return round(float(x), 6) if x is not None and np.isfinite(x) else None
