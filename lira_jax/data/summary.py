"""One line on what was read, so that a misread file is seen before models are trained on it."""

from typing import Any

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import span
from lira_jax.data.text import sequences


def facts(dataset: Dataset) -> dict[str, Any]:
    """What the line says of the data, as plain JSON values."""
    counts = np.bincount(dataset.y, minlength=dataset.num_classes)
    of_text = {}
    if dataset.is_text:
        tokens = sequences.lengths(dataset.x)
        of_text = {
            "vocabulary": dataset.vocabulary,
            "num_tokens": int(tokens.sum()),
            "sequence_lengths": [int(tokens.min()), int(tokens.max())],
        }
    return of_text | {
        "shape": list(dataset.x.shape),
        "dtype": str(dataset.x.dtype),
        "range": span(dataset.x),
        "num_classes": dataset.num_classes,
        "num_absent": int((counts == 0).sum()),
        "class_sizes": [int(counts[counts > 0].min()), int(counts.max())],
        "num_test": 0 if dataset.x_test is None else len(dataset.x_test),
        "num_outliers": 0 if dataset.sources is None else int(np.count_nonzero(dataset.sources)),
    }


def facts_of_labels(labels: np.ndarray) -> dict[str, Any]:
    """As much of `facts` as the labels alone tell, int [N]."""
    counts = np.bincount(labels)
    sizes = [int(counts[counts > 0].min()), int(counts.max())]
    return {"shape": [len(labels)], "num_classes": len(counts), "class_sizes": sizes}


def line(facts: dict[str, Any], keep: np.ndarray | None = None) -> str:
    """The line itself.

    It is such as "data: 1797 examples [8, 8, 1] uint8 0..255, 10 classes of 174 to 183, test set 0,
    64 models train on 850 to 943 each".

    Args:
      facts: as `facts` or `facts_of_labels` gives them.
      keep: bool [models, examples], if it is known who trains on what.
    """
    count, *shape = facts["shape"]
    text = f"data: {count} examples"
    if facts.get("num_outliers"):
        text += f" (with {facts['num_outliers']} outliers)"
    if "vocabulary" in facts:
        text = (
            f"data: {count} sequences of {_between(facts['sequence_lengths'])} tokens, "
            f"{facts['num_tokens']} in all, vocabulary {facts['vocabulary']}"
        )
    elif "dtype" in facts:
        text += f" {shape} {facts['dtype']} {facts['range']}"
    if "vocabulary" not in facts:
        text += f", {facts['num_classes']} classes of {_between(facts['class_sizes'])}"
    if facts.get("num_absent"):
        text += f" ({facts['num_absent']} of them have no example)"
    if "num_test" in facts:
        text += f", test set {facts['num_test']}"
    if keep is not None:
        text += f", {len(keep)} models train on {_between(keep.sum(1))} each"
    return text


def _between(numbers) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
