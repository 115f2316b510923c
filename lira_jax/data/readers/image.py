"""The pixels of one image file, as a viewer shows them."""

import collections
import contextlib
import pathlib
import re
import struct
import warnings
from collections.abc import Iterator

import numpy as np

from lira_jax.data.readers.reading import reading
from lira_jax.errors import UserError

SUFFIXES = {
    ".apng",
    ".bmp",
    ".dib",
    ".gif",
    ".jfif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pgm",
    ".pjp",
    ".pjpeg",
    ".png",
    ".pnm",
    ".ppm",
    ".qoi",
    ".tga",
    ".tif",
    ".tiff",
    ".webp",
}
FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP")
"""What a file may be, whatever its name. For others, such as EPS, Pillow may start a program."""
_GREY = {"1", "L", "LA"}
_COLOUR = {"P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}

FRAMES = "the first of several frames is taken"
ALPHA = "the alpha channel is dropped, and what it hides is seen"


def decode(file: pathlib.Path, odd: collections.Counter[str]) -> np.ndarray:
    """Reads an image, turned as its EXIF orientation says.

    Of several frames the first is taken. An alpha channel is dropped, palettes and CMYK become RGB.

    Args:
      file: The image; its content says of which format.
      odd: Counts what else there was to see, in words.

    Returns:
      uint8 [H, W, 1] of a grey image, [H, W, 3] of any other.

    Raises:
      UserError: The file cannot be read, or has more than 8 bits a channel.
    """
    import PIL.Image
    import PIL.ImageOps

    broken = (  # what damaged PNG chunks, EXIF data and sizes raise
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        MemoryError,
        struct.error,
        PIL.Image.DecompressionBombError,
    )
    with reading(file), _warnings(odd):
        try:
            with PIL.Image.open(file, formats=FORMATS) as image:
                if image.mode not in _GREY | _COLOUR or _is_deep(image):
                    raise UserError(
                        f"{file}: pixels of mode {image.mode}{_is_deep(image)}; save it with 8 "
                        "bits a channel, or all images as arrays for --dataset=npz"
                    )
                if getattr(image, "is_animated", False):
                    odd[FRAMES] += 1
                PIL.ImageOps.exif_transpose(image, in_place=True)
                if image.has_transparency_data:
                    opaque = image.convert("RGBA").getchannel("A").getextrema()[0] == 255
                    if not opaque:
                        odd[ALPHA] += 1
                    image.info.pop("transparency", None)  # of which Pillow may warn
                pixels = np.asarray(image.convert("L" if image.mode in _GREY else "RGB"))
        except UserError:
            raise
        except PIL.UnidentifiedImageError:
            raise UserError(
                f"{file}: damaged, or none of {', '.join(FORMATS)}; save it as PNG"
            ) from None
        except broken as error:
            raise OSError(f"{error or type(error).__name__}") from error
    return pixels if pixels.ndim == 3 else pixels[..., None]


def fitted(pixels: np.ndarray, size: int) -> np.ndarray:
    """The middle square of an image, scaled to so many pixels each way; 0 leaves it as it is.

    The interpolation is bicubic, over all pixels that become one where the image gets smaller.

    Args:
      pixels: uint8 [H, W, 1 or 3].
    """
    if not size or pixels.shape[:2] == (size, size):
        return pixels
    import PIL.Image

    height, width, channels = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    image = PIL.Image.fromarray(square[..., 0] if channels == 1 else square)
    scaled = np.asarray(image.resize((size, size), PIL.Image.Resampling.BICUBIC))
    return scaled.reshape(size, size, channels)


@contextlib.contextmanager
def _warnings(odd: collections.Counter[str]) -> Iterator[None]:
    """Counts what Pillow warns of, such as metadata that are cut short; it is told in one line."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    for warning in told:
        odd[f"Pillow warns: {' '.join(str(warning.message).split())}"] += 1


def _is_deep(image) -> str:
    """In words, whether the file has more than 8 bits a channel, of which Pillow would keep 8."""
    for tile in image.tile:
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        raw_mode = str(arguments[0]) if arguments else ""
        if re.search(r";(16|32)[BLNS]", raw_mode) or (tile[0] == "ppm" and arguments[1] > 255):
            return " with more than 8 bits a channel"
    return ""
