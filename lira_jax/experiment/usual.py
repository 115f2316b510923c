"""A recipe for data of which nothing is known but their kind and size."""

from collections.abc import Sequence
from typing import Any

_SMALL = 16  # pixels each way, up to which a dense network will do


def recipe(
    shape: Sequence[int], *, text: bool = False, examples: int, accelerator: bool = False
) -> dict[str, Any]:
    """Fields of an experiment that trains on such data as somebody would who wants them learned.

    They are those of the configs digits, cifar10_cnn_cpu, cifar10_wrn28_2, location30_lira and
    text_gpt_tiny, with fewer passes over more examples.

    Args:
      shape: of one example: [height, width, channels], [features], or [tokens].
      text: whether the examples are tokens.
      examples: how many there are.
      accelerator: whether it is trained on a GPU or TPU.
    """
    passes = 100 if examples <= 5_000 else 50 if examples <= 20_000 else 30
    sgd = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 64}
    adam = {"optimizer": "adam", "learning_rate": 0.002, "weight_decay": 0.0, "batch_size": 64}
    if text:
        few = examples <= 5_000
        return {
            **{"num_models": 16, "model": "gpt_tiny", "queries": 1},
            **{"epochs": 20 if few else 10, "batch_size": 16 if few else 64},
            **{"optimizer": "adamw", "momentum": 0.9, "beta2": 0.99, "weight_decay": 0.1},
            **{"learning_rate": 0.003, "schedule": "cosine", "warmup": 0.05, "clip_norm": 1.0},
        }
    if len(shape) < 3:
        dense = {"model": "mlp", "hidden": (256,), "epochs": passes}
        return {"num_models": 64, **dense, **sgd, "augment": "none", "queries": 1}
    if max(shape[:2]) <= _SMALL:
        dense = {"model": "mlp", "hidden": (256,), "epochs": passes}
        shifted = {"augment": "mirror_shift", "shift": 1, "queries": 18}
        return {"num_models": 64, **dense, **sgd, **shifted}
    if accelerator and min(shape[:2]) >= 2 * _SMALL:
        wide = {"model": "wide_resnet", "depth": 28, "width": 2, "epochs": 100, "batch_size": 256}
        descent = {"learning_rate": 0.1, "schedule": "reference", "compute_dtype": "bfloat16"}
        return {
            **{"num_models": 64, **wide, **descent},
            **{"augment": "mirror_shift", "shift": 4, "queries": 18},
        }
    convolutions = {"model": "cnn", "width": 16, "epochs": 30}
    return {
        **{"num_models": 64 if accelerator else 16, **convolutions, **adam},
        **{"augment": "mirror", "queries": 2},
    }
