"""Augmentation: random draws for training, a fixed grid of queries for scoring.

Both look at images through the same `view`, which reads pixels by index instead of padding and
cropping, so that a batch is gathered, mirrored and shifted in one pass over bytes.
"""

import jax
import jax.numpy as jnp
import numpy as np

from lira_jax.errors import UserError
from lira_jax.experiment import QUERY_SHIFTS


def view(images, index, mirror, dy, dx, padding: str = "reflect"):
    """Images mirrored, then cropped out of their padded selves.

    Args:
      images: [N, H, W, C].
      index: int [B], which images.
      mirror: bool [B], flip left and right.
      dy, dx: int [B], offset of the crop from the centre in pixels; smaller than H and W.
      padding: "reflect", or "zero" for numbers 0 of the raw images, which are black.

    Returns:
      [B, H, W, C].
    """
    height, width = images.shape[1:3]
    down, across = jnp.arange(height) + dy[:, None], jnp.arange(width) + dx[:, None]
    rows, columns = _reflect(down, height), _reflect(across, width)
    columns = jnp.where(mirror[:, None], width - 1 - columns, columns)
    x = images[index[:, None, None], rows[:, :, None], columns[:, None, :]]
    if padding == "reflect":
        return x
    inside = ((down >= 0) & (down < height))[:, :, None] & ((across >= 0) & (across < width))[
        :, None
    ]
    return jnp.where(inside[..., None], x, jnp.zeros((), x.dtype))


def _reflect(position, size):
    position = jnp.abs(position)
    return jnp.minimum(position, 2 * (size - 1) - position)


def random_view(key, images, index, *, augment: str, shift: int, padding: str = "reflect"):
    """A training batch: images[index] with mirror and shift drawn for each example.

    Args:
      key: random key of this step.
      images: [N, H, W, C] or [N, D].
      index: int [B].
      augment: none, mirror, mirror_shift or mirror_shift_cutout (cutout itself is `random_cutout`).
      shift: largest shift in pixels.
      padding: what is shifted in, as `view` takes it.

    Returns:
      [B, H, W, C] or [B, D], of the images' type.
    """
    if augment == "none":
        return images[index]
    mirror_key, shift_key = jax.random.split(key)
    mirror = jax.random.bernoulli(mirror_key, shape=index.shape)
    offsets = jnp.zeros((2, len(index)), jnp.int32)
    if augment != "mirror":
        offsets = jax.random.randint(shift_key, offsets.shape, -shift, shift + 1)
    return view(images, index, mirror, offsets[0], offsets[1], padding)


def random_cutout(key, x, size: int):
    """Sets a size x size square to 0 in each image, centred anywhere, so that it may stick out.

    DeVries and Taylor (2017). Args: x float [B, H, W, C], normalised so that 0 is a middling grey.
    """
    batch, height, width = x.shape[:3]
    y_key, x_key = jax.random.split(key)
    top = jax.random.randint(y_key, (batch, 1), 0, height) - size // 2
    left = jax.random.randint(x_key, (batch, 1), 0, width) - size // 2
    rows = (jnp.arange(height) >= top) & (jnp.arange(height) < top + size)
    columns = (jnp.arange(width) >= left) & (jnp.arange(width) < left + size)
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0, x)


def random_rotation(key, x, degrees: float):
    """Turns each image about its centre by an angle up to `degrees` either way, drawn anew.

    Between pixels it is bilinear; what lies outside is mirrored in, as in the shifts.

    Args:
      x: float [B, H, W, C].
    """
    height, width = x.shape[1:3]
    limit = np.float32(np.deg2rad(degrees))
    angles = jax.random.uniform(key, (len(x),), minval=-limit, maxval=limit)
    rows, columns = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    dy, dx = rows - (height - 1) / 2, columns - (width - 1) / 2

    def turn(image, angle):
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        y = cosine * dy - sine * dx + (height - 1) / 2
        x = sine * dy + cosine * dx + (width - 1) / 2

        def channel(plane):
            return jax.scipy.ndimage.map_coordinates(plane, [y, x], order=1, mode="mirror")

        return jax.vmap(channel, -1, -1)(image)

    return jax.vmap(turn)(x, angles)


def random_colours(key, x, strength: float):
    """Changes brightness, contrast and saturation of each image, in this order.

    As torchvision's ColorJitter: the image is mixed with black, with its mean grey, and with its
    own grey picture, with a weight of the image from [1 - strength, 1 + strength] each. Images of
    one channel have no saturation.

    Args:
      x: float32 [B, H, W, C], as in the data set (0 is black), not normalised.

    Returns:
      The same shape; within the range of bytes where x is.
    """
    weights = jax.random.uniform(
        key, (3, len(x), 1, 1, 1), minval=1 - strength, maxval=1 + strength
    )
    # The limits of bytes, or of other numbers those of the batch itself.
    low, high = jnp.minimum(x.min(), 0), jnp.where(x.max() > 1, 255, x.max())
    luma = jnp.array([0.299, 0.587, 0.114])

    def grey(x):
        return (x @ luma if x.shape[-1] == 3 else x.mean(-1))[..., None]

    x = jnp.clip(weights[0] * x, low, high)
    mean = grey(x).mean((1, 2), keepdims=True)
    x = jnp.clip(weights[1] * x + (1 - weights[1]) * mean, low, high)
    if x.shape[-1] == 1:
        return x
    return jnp.clip(weights[2] * x + (1 - weights[2]) * grey(x), low, high)


def random_mixup(key, x, alpha: float):
    """Averages each example with another of the batch (Zhang et al. 2018).

    https://arxiv.org/abs/1710.09412, with one weight for the batch, as the authors' code.

    Args:
      x: float [B, ...].

    Returns:
      x [B, ...]; int [B], the other example of each; and float32, the share that each keeps.
    """
    weight_key, order_key = jax.random.split(key)
    kept = jax.random.beta(weight_key, alpha, alpha)
    other = jax.random.permutation(order_key, len(x))
    return kept * x + (1 - kept) * x[other], other, kept


def random_cutmix(key, x, fraction: float):
    """Pastes a box of another image of the batch into each, in a fraction of batches.

    CutMix (Yun et al. 2019, https://arxiv.org/abs/1905.04899): the box is the same in all images of
    a batch, centred anywhere, and its sides are sqrt(1 - u) of the image's, u uniform.

    Args:
      x: float [B, H, W, C].

    Returns:
      As `random_mixup`; the share kept is that of the pixels, 1 in the other batches.
    """
    draw_key, centre_key, order_key = jax.random.split(key, 3)
    height, width = x.shape[1:3]
    happens, u = jax.random.uniform(draw_key, (2,))
    centre = jax.random.uniform(centre_key, (2,))
    half = jnp.sqrt(1 - u) / 2

    def inside(size, middle):
        middle = jnp.floor(middle * size)
        first, last = middle - jnp.floor(half * size), middle + jnp.floor(half * size)
        return (jnp.arange(size) >= first) & (jnp.arange(size) < last)

    box = inside(height, centre[0])[:, None] & inside(width, centre[1])
    box &= happens < fraction
    other = jax.random.permutation(order_key, len(x))
    return jnp.where(box[..., None], x[other], x), other, 1 - box.mean()


def query_grid(queries: int) -> np.ndarray:
    """The grid of augmented copies: [x, mirror(x)] times shifts.

    Args:
      queries: 1 (the plain image), or 2 (2 s + 1)^2 for a largest shift s of 0, 1, 2 or 4 pixels.

    Returns:
      int32 [queries, 3]: mirror (0 or 1), dy, dx. Query 0 is the plain image.
    """
    largest = QUERY_SHIFTS[queries]
    if largest is None:
        return np.zeros((1, 3), np.int32)
    steps = range(-largest, largest + 1)
    shifts = sorted(((dy, dx) for dy in steps for dx in steps), key=lambda s: s != (0, 0))
    return np.array([(mirror, *s) for mirror in (0, 1) for s in shifts], np.int32)


def query_views(images, index, grid):
    """All queries of some examples, [B * queries, ...]; those of one example are neighbours."""
    if images.ndim == 2:
        return images[index]
    mirror, dy, dx = jnp.tile(grid, (len(index), 1)).T
    return view(images, jnp.repeat(index, len(grid)), mirror.astype(bool), dy, dx)


def check_images(shape: tuple[int, ...], **asked: float) -> None:
    """Raises UserError where an augmentation of images is asked for features.

    Args:
      shape: of the examples, [N, H, W, C] or [N, D].
      asked: flag -> its value, 0 for none.
    """
    for flag, value in asked.items():
        if value and len(shape) == 2:
            raise UserError(f"--{flag}={value:g}: it is for images, and the data are features")


def check_size(shape: tuple[int, ...], *, augment: str, shift: int, queries: int) -> None:
    """Raises UserError where the data cannot be augmented as asked.

    Args:
      shape: of the examples, [N, H, W, C], [N, D] or, of text, [N, L].
    """
    if len(shape) == 2:
        if augment != "none":
            raise UserError(
                f"--augment={augment}: features and text cannot be mirrored or shifted; use "
                "--augment=none"
            )
        if queries != 1:
            raise UserError(
                f"--queries={queries}: features and text have no augmented copies; use --queries=1"
            )
        return
    side = min(shape[1:3])
    if augment.startswith("mirror_shift") and shift >= side:
        raise UserError(
            f"--shift={shift}: the images are {shape[1]} x {shape[2]} pixels; give less than {side}"
        )
    if (QUERY_SHIFTS[queries] or 0) >= side:
        raise UserError(
            f"--queries={queries}: the images are only {shape[1]} x {shape[2]} pixels; give fewer "
            "queries"
        )
