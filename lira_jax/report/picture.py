"""Small pictures of examples as data URIs."""

import base64
import io

import numpy as np
from PIL import Image

LARGEST = 96  # pixels on a side; a page holds dozens of pictures


def value_range(x: np.ndarray) -> tuple[float, float]:
    """What is black and what is white in a data set: 0..255, 0..1, or else its own extremes.

    Args:
      x: [N, H, W, C].
    """
    if x.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(x.min()), float(x.max())
    if low < 0 or high > 255:
        return low, max(high, low + 1e-12)
    return 0.0, 1.0 if high <= 1 else 255.0


def thumbnail(image: np.ndarray, black_white: tuple[float, float]) -> np.ndarray:
    """uint8 [h, w] or [h, w, 3], at most LARGEST pixels on a side, by averaging blocks.

    Args:
      image: [H, W, C]; with 3 or 4 channels the first three are red, green, blue, else the first is
        shown.
      black_white: as `value_range` gives it.
    """
    image = image[..., :3] if image.shape[-1] in (3, 4) else image[..., :1]
    block = -(-max(image.shape[:2]) // LARGEST)
    height, width = (max(side // block, 1) for side in image.shape[:2])
    rows, columns = min(block, image.shape[0]), min(block, image.shape[1])
    image = image[: height * rows, : width * columns].astype(np.float64)
    image = image.reshape(height, rows, width, columns, -1).mean((1, 3))
    low, high = black_white
    image = np.rint(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return image[..., 0] if image.shape[-1] == 1 else image


def data_uri(image: np.ndarray) -> str:
    """A PNG of uint8 [h, w] or [h, w, 3], as text that stands where a page wants an address."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
