import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.data import augment
from lira_jax.errors import UserError


def padded_crop(image, mirror, dy, dx, pad):
    """The textbook way: mirror, reflect-pad, crop."""
    if mirror:
        image = image[:, ::-1]
    height, width = image.shape[:2]
    image = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    return image[pad + dy : pad + dy + height, pad + dx : pad + dx + width]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 6, 9, 3), dtype=np.uint8)


@settings(max_examples=30)
@given(st.booleans(), st.integers(-5, 5), st.integers(-5, 5))
def test_view_equals_mirror_pad_and_crop(mirror, dy, dx):
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 9, 3), dtype=np.uint8)
    index = np.array([3, 0])
    seen = augment.view(
        images, index, np.array([mirror, False]), np.array([dy, 0]), np.array([dx, 0])
    )
    np.testing.assert_array_equal(seen[0], padded_crop(images[3], mirror, dy, dx, 5))
    np.testing.assert_array_equal(seen[1], images[0])


@pytest.mark.parametrize("queries", [1, 2, 18, 50, 162])
def test_query_grid_is_the_reference_grid_with_the_plain_image_first(queries):
    images = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    seen = np.asarray(augment.query_views(images, np.array([0]), augment.query_grid(queries)))
    assert len(seen) == queries
    np.testing.assert_array_equal(seen[0], images[0])
    if queries > 1:
        s = {2: 0, 18: 1, 50: 2, 162: 4}[queries]
        reference = [
            np.pad(image, ((s, s), (s, s), (0, 0)), mode="reflect")[dx : dx + 16, dy : dy + 16]
            for image in (images[0], images[0][:, ::-1])
            for dx in range(2 * s + 1)
            for dy in range(2 * s + 1)
        ]
        assert {x.tobytes() for x in seen} == {x.tobytes() for x in reference}


def test_queries_of_an_example_stand_together(images):
    grid = augment.query_grid(2)
    seen = np.asarray(augment.query_views(images, np.array([4, 1]), grid)).reshape(2, 2, 6, 9, 3)
    np.testing.assert_array_equal(seen[:, 0], images[[4, 1]])
    np.testing.assert_array_equal(seen[:, 1], images[[4, 1]][:, :, ::-1])


def test_random_views_are_all_views_and_equally_often():
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    seen = augment.random_view(
        jax.random.key(0), image, np.zeros(4000, int), augment="mirror_shift", shift=1
    )
    kinds, counts = np.unique(np.asarray(seen).reshape(4000, -1), axis=0, return_counts=True)
    expected = [
        padded_crop(image[0], m, dy, dx, 1).ravel()
        for m in (0, 1)
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    ]
    assert {k.tobytes() for k in kinds} == {np.asarray(x, np.uint8).tobytes() for x in expected}
    chi_square = ((counts - 4000 / 18) ** 2 / (4000 / 18)).sum()
    assert chi_square < 40.8  # 17 degrees of freedom, p = 0.001


def test_mirror_alone_never_shifts(images):
    index = np.tile(np.arange(5), 20)
    seen = np.asarray(
        augment.random_view(jax.random.key(1), images, index, augment="mirror", shift=4)
    )
    plain = (seen == images[index]).all((1, 2, 3))
    mirrored = (seen == images[index][:, :, ::-1]).all((1, 2, 3))
    assert (plain | mirrored).all()
    assert 30 < plain.sum() < 70


def test_no_augmentation_is_a_plain_gather(images):
    features = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(
        augment.random_view(jax.random.key(0), features, np.array([2, 2]), augment="none", shift=0),
        features[[2, 2]],
    )


def test_cutout_blanks_squares_that_may_stick_out():
    x = np.ones((400, 8, 8, 2), np.float32)
    cut = np.asarray(augment.random_cutout(jax.random.key(0), x, 4))
    blank = (cut == 0).all(-1)
    assert (blank == (cut == 0).any(-1)).all()
    sizes = blank.sum((1, 2))
    assert sizes.max() == 16
    assert 4 <= sizes.min() < 16
    assert blank.any(0).all()


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((5, 3), {"augment": "mirror"}, "--augment=mirror: features"),
        ((5, 3), {"queries": 2}, "--queries=2: features"),
        ((5, 4, 4, 1), {"queries": 162}, "--queries=162: the images are only 4 x 4"),
        ((5, 4, 4, 1), {"augment": "mirror_shift", "shift": 4}, "--shift=4"),
    ],
)
def test_impossible_augmentation_is_refused(shape, options, message):
    with pytest.raises(UserError, match=message):
        augment.check_size(shape, **{"augment": "none", "shift": 0, "queries": 1, **options})


def test_a_turn_of_no_degrees_changes_nothing_and_right_angles_are_exact():
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 5, 5, 2)), jnp.float32)
    np.testing.assert_allclose(augment.random_rotation(jax.random.key(0), x, 0.0), x, atol=1e-6)
    found = augment.random_rotation(jax.random.key(1), x, 180.0)
    assert found.shape == x.shape
    # the centre of an odd image stays where it is, whatever the angle
    np.testing.assert_allclose(found[:, 2, 2], x[:, 2, 2], atol=1e-5)
    assert np.abs(np.asarray(found - x)).max() > 0.1
    # a plane that rises along the columns, turned, is a plane of the same height in the centre
    ramp = jnp.broadcast_to(jnp.arange(5.0)[None, None, :, None], (2, 5, 5, 1))
    angle = jax.random.uniform(
        jax.random.key(2), (2,), minval=-np.float32(np.pi / 2), maxval=np.float32(np.pi / 2)
    )
    ramp_turned = augment.random_rotation(jax.random.key(2), ramp, 90.0)
    slope = ramp_turned[:, 2, 3, 0] - ramp_turned[:, 2, 2, 0]
    np.testing.assert_allclose(slope, np.cos(angle), atol=1e-5)


def test_colours_keep_greys_grey_and_stay_in_range():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.integers(0, 256, (4, 6, 6, 3)), jnp.float32)
    found = np.asarray(augment.random_colours(jax.random.key(0), x, 0.5))
    assert found.min() >= 0
    assert found.max() <= 255
    assert np.abs(found - x).max() > 10
    np.testing.assert_allclose(augment.random_colours(jax.random.key(0), x, 0.0), x, atol=1e-3)
    grey = jnp.broadcast_to(x[..., :1], x.shape)
    of_grey = np.asarray(augment.random_colours(jax.random.key(1), grey, 0.3))
    np.testing.assert_allclose(of_grey, of_grey[..., :1].repeat(3, -1), atol=1e-2)
    constant = jnp.full((2, 4, 4, 1), 100.0)  # contrast does nothing to it
    of_constant = np.asarray(augment.random_colours(jax.random.key(2), constant, 0.3))
    assert np.ptp(of_constant, axis=(1, 2)).max() < 1e-3


def test_mixup_averages_what_it_says():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)), jnp.float32)
    mixed, other, kept = augment.random_mixup(jax.random.key(0), x, 1.0)
    assert sorted(np.asarray(other)) == list(range(6))
    np.testing.assert_allclose(mixed, kept * x + (1 - kept) * x[other], atol=1e-6)
    draws = jax.vmap(lambda k: augment.random_mixup(k, x, 0.2)[2])(
        jax.random.split(jax.random.key(1), 2000)
    )
    assert abs(float(draws.mean()) - 0.5) < 0.05
    assert abs(float(draws.var()) - 0.25 / 1.4) < 0.02  # of Beta(0.2, 0.2)


def test_cutmix_pastes_the_share_of_pixels_that_it_says():
    x = jnp.arange(8.0)[:, None, None, None] + jnp.zeros((8, 12, 16, 3))
    shares = []
    for seed in range(40):
        mixed, other, kept = augment.random_cutmix(jax.random.key(seed), x, 1.0)
        own = np.asarray(mixed == x)
        moved = np.asarray(other) != np.arange(8)
        assert np.isin(np.asarray(mixed[0]), [0, float(other[0])]).all()
        np.testing.assert_allclose(own[moved].mean((1, 2, 3)), kept, atol=1e-6)
        shares.append(float(kept))
    assert np.std(shares) > 0.1
    mixed, _, kept = augment.random_cutmix(jax.random.key(0), x, 0.0)
    np.testing.assert_array_equal(mixed, x)
    assert kept == 1


def test_zero_padding_shifts_black_in():
    rng = np.random.default_rng(0)
    images = rng.integers(1, 255, (3, 5, 6, 2)).astype(np.uint8)
    index, mirror = np.array([2, 0, 1]), np.array([False, True, True])
    dy, dx = np.array([2, -1, 0]), np.array([-3, 1, 0])
    found = augment.view(images, index, mirror, dy, dx, "zero")
    assert found.dtype == np.uint8
    for b in range(3):
        one = images[index[b]]
        padded = np.pad(one[:, ::-1] if mirror[b] else one, ((3, 3), (3, 3), (0, 0)))
        crop = padded[3 + dy[b] : 8 + dy[b], 3 + dx[b] : 9 + dx[b]]
        np.testing.assert_array_equal(found[b], crop)
