"""Pixels are those that a viewer shows, or the file is refused."""

import collections
import io
import re
import struct
import warnings
import zlib

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from lira_jax.data.readers import image
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (4, 5, 3), np.uint8)
GREY = RNG.integers(0, 256, (4, 5), np.uint8)
SMOOTH = np.full((16, 24, 3), 90, np.uint8)  # JPEG keeps it: a bright quarter, top left
SMOOTH[:8, :8] = 210


def _decode(path):
    odd = collections.Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return image.decode(path, odd), dict(odd)


def _saved(path, pixels, **options):
    picture = pixels if isinstance(pixels, PIL.Image.Image) else PIL.Image.fromarray(pixels)
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("pixels", "want"),
    [
        (COLOUR, COLOUR),
        (GREY, GREY[..., None]),
        (GREY > 100, np.uint8(255) * (GREY > 100)[..., None]),
        (PIL.Image.fromarray(COLOUR).quantize(256), COLOUR),
        (PIL.Image.fromarray(COLOUR).convert("RGBA"), COLOUR),
        (PIL.Image.fromarray(GREY).convert("LA"), GREY[..., None]),
        (PIL.Image.fromarray(GREY).convert("P"), np.repeat(GREY[..., None], 3, 2)),
    ],
)
def test_eight_bits_a_channel_come_back(tmp_path, pixels, want):
    found, odd = _decode(_saved(tmp_path / "1.png", pixels))
    np.testing.assert_array_equal(found, want)
    assert found.dtype == np.uint8
    assert not odd


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_images_are_turned_as_exif_says(tmp_path, orientation, format):
    """The eight orientations of the EXIF standard, undone by a plain look-up."""
    seen = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[:, ::-1],
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: a.swapaxes(0, 1)[::-1],
    }[orientation]
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    options |= {"lossless": True} if format == "WEBP" else {}
    picture = PIL.Image.fromarray(SMOOTH)
    path = _saved(tmp_path / "1", picture, format=format, exif=exif, **options)
    found, _ = _decode(path)
    np.testing.assert_allclose(found.astype(int), seen(SMOOTH), atol=3)


@pytest.mark.filterwarnings("error")
def test_exif_data_without_sense_is_passed_over_or_told(tmp_path):
    path, odd = tmp_path / "1.jpg", collections.Counter()
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        _saved(path, SMOOTH, exif=exif)
        try:
            found = image.decode(path, odd)
        except UserError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
        else:
            assert found.shape == SMOOTH.shape
    assert odd
    assert all(re.fullmatch("Pillow warns: .+", what) for what in odd)


def _png(kind, channels, depth=16):
    """A PNG by its definition, every value 1."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    row = b"\0" + np.ones(5 * channels, ">u2" if depth == 16 else np.uint8).tobytes()
    header = struct.pack(">IIBBBBB", 5, 4, depth, kind, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(row * 4)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _tiff():
    """A TIFF of 2 x 1 pixels with 16 bits for each of three channels, by its definition."""
    tags = [
        (256, 2),
        (257, 1),
        (258, 134),
        (259, 1),
        (262, 2),
        (273, 140),
        (277, 3),
        (278, 1),
        (279, 12),
    ]
    entries = b"".join(
        struct.pack("<HHII", tag, 3, 3 if tag == 258 else 1, value) for tag, value in tags
    )
    body = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    start = b"II*\0" + struct.pack("<I", 8) + body
    return start.ljust(134, b"\0") + struct.pack("<3H", 16, 16, 16) + bytes(12)


@pytest.mark.parametrize(
    "content",
    [
        _png(0, 1),
        _png(2, 3),
        _png(4, 2),
        _png(6, 4),
        b"P6 2 1 65535\n" + bytes(12),
        b"P6 2 1 256\n" + bytes(12),
        b"P5 2 1 65535\n" + bytes(4),
        _tiff(),
    ],
)
def test_sixteen_bits_are_refused_not_cut(tmp_path, content):
    (tmp_path / "1.img").write_bytes(content)
    with PIL.Image.open(io.BytesIO(content)) as opened:  # or it would not be what it seems
        opened.load()
    with pytest.raises(UserError, match=r"1\.img: pixels of .*; save it with 8 bits a channel"):
        _decode(tmp_path / "1.img")


def test_few_bits_are_spread_over_bytes(tmp_path):
    (tmp_path / "1.ppm").write_bytes(b"P6 2 1 15\n" + bytes([0, 15, 15, 15, 0, 5]))
    np.testing.assert_array_equal(_decode(tmp_path / "1.ppm")[0], [[[0, 255, 255], [255, 0, 85]]])
    (tmp_path / "1.png").write_bytes(_png(2, 3, depth=8))
    np.testing.assert_array_equal(_decode(tmp_path / "1.png")[0], np.ones((4, 5, 3)))


def test_cmyk_becomes_rgb(tmp_path):
    white = PIL.Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    cyan = PIL.Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for picture, want in ((white, [255, 255, 255]), (cyan, [0, 255, 255])):
        found, odd = _decode(_saved(tmp_path / "1.jpg", picture, quality=100))
        np.testing.assert_allclose(found.reshape(-1, 3).mean(0), want, atol=2)
        assert not odd


@pytest.mark.parametrize("format", ["GIF", "PNG", "TIFF", "WEBP"])
def test_of_several_frames_the_first_is_taken_and_told(tmp_path, format):
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    path = _saved(tmp_path / "1", frames[0], format=format, save_all=True, append_images=frames[1:])
    found, odd = _decode(path)
    np.testing.assert_allclose(found.reshape(-1, 3).mean(0), [255, 0, 0], atol=6)
    assert odd == {image.FRAMES: 1}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_a_hidden_part_is_told(tmp_path, mode):
    options = {"transparency": 0} if mode in "PL" else {}
    base = PIL.Image.fromarray(COLOUR[..., 0] % 2 * 200).convert(mode)
    if mode in ("RGBA", "LA"):
        base.putalpha(PIL.Image.fromarray(GREY))
    found, odd = _decode(_saved(tmp_path / "1.png", base, **options))
    assert odd == {image.ALPHA: 1}
    np.testing.assert_array_equal(found[..., 0], COLOUR[..., 0] % 2 * 200)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_other_modes_are_refused(tmp_path, mode):
    path = _saved(tmp_path / "1.tif", PIL.Image.new(mode, (4, 4)))
    with pytest.raises(UserError, match=f"pixels of mode {mode}.*; save it with 8 bits"):
        _decode(path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "format", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "TGA", "QOI"]
)
def test_damage_anywhere_is_read_or_told_in_one_line(tmp_path, format):
    path = _saved(tmp_path / "1", RNG.integers(0, 256, (9, 9, 3), np.uint8), format=format)
    whole, generator = path.read_bytes(), np.random.default_rng(1)
    for trial in range(60):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged if trial % 3 else whole[: generator.integers(len(whole))])
        try:
            image.decode(path, collections.Counter())
        except UserError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017


def test_eps_is_refused_whatever_its_name(tmp_path):
    """Pillow would start Ghostscript, which runs what the file says."""
    eps = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    (tmp_path / "3.png").write_text(eps)
    with pytest.raises(UserError, match="damaged, or none of BMP, DIB, GIF"):
        image.decode(tmp_path / "3.png", collections.Counter())
