"""Scaling of the inputs before the first layer, applied on the device inside each step."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Normalizer:
    """x -> (x - offset) * scale, with offset and scale float32 [C] or [D] (or scalars)."""

    offset: np.ndarray | np.float32
    scale: np.ndarray | np.float32

    def __call__(self, x):
        return (x.astype(np.float32) - self.offset) * self.scale


def fit(x: np.ndarray, kind: str) -> Normalizer:
    """The normaliser of a pool of examples.

    Args:
      x: [N, H, W, C] or [N, D], the whole pool: every model, in or out, scales by the same numbers.
      kind: "pixel" (x / 127.5 - 1), "standard" (zero mean, unit variance per channel or feature; a
        constant one is only centred), "none", or "auto" (pixel for uint8 images, standard
        otherwise).
    """
    if kind == "auto":
        kind = "pixel" if x.ndim == 4 and x.dtype == np.uint8 else "standard"
    if kind == "none":
        return Normalizer(np.float32(0), np.float32(1))
    if kind == "pixel":
        return Normalizer(np.float32(127.5), np.float32(1 / 127.5))
    axes = tuple(range(x.ndim - 1))
    mean, std = x.mean(axes, dtype=np.float64), x.std(axes, dtype=np.float64)
    return Normalizer(mean.astype(np.float32), (1 / np.where(std > 0, std, 1)).astype(np.float32))
