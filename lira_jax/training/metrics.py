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
    """What became of one model; accuracies are None without logits or without such examples."""

    model: int
    train_accuracy: float | None
    out_accuracy: float | None  # on the pool's examples it did not train on
    test_accuracy: float | None  # on the test set, if there is one
    diagnosis: Diagnosis


def evaluate(
    programs: Programs, state, ids: Sequence[int], keep: np.ndarray, images, labels
) -> list[Outcome]:
    """Accuracies of some models on the plain examples.

    Args:
      state: of the models, maybe padded; `ids` are its first.
      keep: bool [models of the run, examples].
      images, labels: of the pool, on the devices or in host memory.
    """
    dataset = programs.dataset
    own = _outputs(programs, state, images, labels, len(ids))
    tested: list[float | None] = [None] * len(ids)
    if dataset.x_test is not None and dataset.y_test is not None:
        said = _outputs(programs, state, dataset.x_test, dataset.y_test, len(ids))
        tested = [outputs.accuracy(dataset.y_test) for outputs in said]
    return [
        Outcome(
            model=i,
            train_accuracy=outputs.accuracy(dataset.y, keep[i]),
            out_accuracy=outputs.accuracy(dataset.y, ~keep[i]),
            test_accuracy=of_test,
            diagnosis=health.diagnose(outputs, dataset.y, keep[i]),
        )
        for i, outputs, of_test in zip(ids, own, tested, strict=True)
    ]


def _outputs(programs: Programs, state, images, labels, models: int) -> list[Summary]:
    """What the first so many models say of some examples."""
    batch = usual_batch(
        programs.devices,
        convolutional=programs.network.convolutional,
        output_shape=programs.network.output_shape,
    )
    swept = list(sweep(programs.evaluate, state, images, labels, batch))
    together = health.concatenate(swept, axis=1)
    return [together.of_model(row) for row in range(models)]


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
    return round(float(x), 6) if np.isfinite(x) else None
