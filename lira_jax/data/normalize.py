"""Scaling of the inputs before the first layer, applied on the device inside each step."""

import dataclasses

import numpy as np

from lira_jax.errors import UserError, bad_choice

KINDS = ("pixel", "standard", "none")
_BRIGHT = 128  # the largest value of images that use the range 0..255
_SMALLEST = 1e-36  # below it the reciprocal of a spread, or its square, overflows float32


@dataclasses.dataclass(frozen=True)
class Normalizer:
    """x -> (x - offset) * scale, with offset and scale float32 [C] or [D] (or scalars)."""

    offset: np.ndarray | np.float32
    scale: np.ndarray | np.float32

    def __call__(self, x):
        return (x.astype(np.float32) - self.offset) * self.scale


def choose(x: np.ndarray) -> tuple[str, str]:
    """What --normalize=auto stands for: pixel for bytes that use their range, else standard.

    Images of bytes that only reach 1 (black and white) or 16 would come out of `pixel` as a nearly
    constant input.

    Args:
      x: [N, H, W, C], [N, D] or, of tokens, int32 [N, L]; the whole pool.

    Returns:
      The kind, one of KINDS, and what was seen, in words.
    """
    if x.dtype == np.int32:
        return "none", "for tokens"
    if x.ndim != 4:
        return "standard", "for features"
    seen = f"for {x.dtype} images {span(x)}"
    return "pixel" if x.dtype == np.uint8 and x.max() >= _BRIGHT else "standard", seen


def doubt(x: np.ndarray, kind: str) -> str | None:
    """What is odd about a kind that the user has named, or None.

    Args:
      x: [N, H, W, C] or [N, D], the whole pool.
    """
    if kind != "pixel" or (x.max() > _BRIGHT / 4 and x.min() >= 0 and x.max() <= 255):
        return None
    return (
        f"--normalize=pixel is for values 0..255, but those of the data are {span(x)}; "
        "--normalize=standard fits any"
    )


def span(x: np.ndarray) -> str:
    """The smallest and the largest value, such as 0..255."""
    ends = x.min().item(), x.max().item()
    return "..".join(
        str(v) if isinstance(v, int) else f"{v + 0:.{12 if v.is_integer() else 4}g}" for v in ends
    )


def fit(x: np.ndarray, kind: str) -> Normalizer:
    """The normaliser of a pool of examples.

    Args:
      x: [N, H, W, C] or [N, D], the whole pool: every model, in or out, scales by the same numbers.
      kind: "pixel" (x / 127.5 - 1), "standard" (zero mean, unit variance per channel or feature; a
        constant one is only centred), "none", or "auto" (pixel for uint8 images, standard
        otherwise: what it meant in runs of earlier versions; training stores what `choose` says in
        its place).

    Raises:
      UserError: another kind, or one that does not fit tokens.
    """
    if kind not in (*KINDS, "auto"):
        raise bad_choice("--normalize", kind, ("auto", *KINDS))
    if x.dtype == np.int32 and kind not in ("none", "auto"):
        raise UserError(f"--normalize={kind}: token ids are no quantities; give none, or auto")
    if kind == "auto" and x.dtype == np.int32:
        kind = "none"
    if kind == "auto":
        kind = "pixel" if x.ndim == 4 and x.dtype == np.uint8 else "standard"
    if kind == "none":
        return Normalizer(np.float32(0), np.float32(1))
    if kind == "pixel":
        return Normalizer(np.float32(127.5), np.float32(1 / 127.5))
    axes = tuple(range(x.ndim - 1))
    mean, std = x.mean(axes, dtype=np.float64), x.std(axes, dtype=np.float64)
    # The mean of equal floats is rounded, so that their std may be some 1e-17 instead of 0.
    varies = (x.min(axes) < x.max(axes)) & (std > _SMALLEST)
    return Normalizer(mean.astype(np.float32), (1 / np.where(varies, std, 1)).astype(np.float32))
