"""Probes have the shape and type of the pool, and are what they are called."""

import numpy as np
import pytest

from lira_jax.data import normalize, probes
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (7, 6, 5, 3), np.uint8)
FEATURES = RNG.normal(3, 2, (50, 6)).astype(np.float32)


def pool(x=IMAGES, classes=3, tested=False):
    y = np.arange(len(x), dtype=np.int32) % classes
    return Dataset(x, y, x[:2] if tested else None, y[:2] if tested else None, classes)


def make(spec, dataset, read=None, seed=0):
    return probes.make(spec, dataset, normalize.fit(dataset.x, "auto"), seed, read)


def test_names_are_those_of_kinds_files_and_sets():
    text = "noise, npz:/data/svhn.v2.npz,tfds:cifar10_1/v4,digits,folder:/a/my faces"
    assert probes.parse(text) == {
        "noise": "noise",
        "svhn": "npz:/data/svhn.v2.npz",
        "v4": "tfds:cifar10_1/v4",
        "digits": "digits",
        "my_faces": "folder:/a/my faces",
    }
    assert probes.parse("") == {}
    with pytest.raises(UserError, match=r"npz:a/x.npz and npz:b/x.npz are both called x"):
        probes.parse("npz:a/x.npz,npz:b/x.npz")


@pytest.mark.parametrize("x", [IMAGES, FEATURES])
def test_permuted_has_one_order_for_all_examples(x):
    found = probes.permuted(x, np.random.default_rng(1))
    pixels = x.reshape(len(x), -1, 3) if x.ndim == 4 else x[:, :, None]
    moved = found.reshape(pixels.shape)
    order = [
        int(np.flatnonzero((pixels == moved[:, [i]]).all((0, 2)))[0])
        for i in range(pixels.shape[1])
    ]
    assert sorted(order) == list(range(pixels.shape[1]))
    assert order != sorted(order)
    np.testing.assert_array_equal(pixels[:, order], moved)
    assert (found.shape, found.dtype) == (x.shape, x.dtype)


@pytest.mark.parametrize("kind", ["pixel", "standard", "none"])
def test_scaled_is_255_times_the_normalised_input(kind):
    normalizer = normalize.fit(IMAGES, kind)
    found = probes.scaled(IMAGES, normalizer)
    assert found.dtype == np.float32
    np.testing.assert_allclose(normalizer(found), 255 * normalizer(IMAGES), rtol=1e-4, atol=1e-2)


def test_noise_is_uniform_over_the_range_of_each_channel():
    x = IMAGES.copy()
    x[..., 0] = np.clip(x[..., 0], 100, 109)
    found = probes.noise(x, 2000, np.random.default_rng(2))
    assert (found.shape, found.dtype) == ((2000, 6, 5, 3), np.uint8)
    values, counts = np.unique(found[..., 0], return_counts=True)
    assert values.tolist() == list(range(100, 110))
    assert abs(counts / counts.sum() - 0.1).max() < 0.01
    floats = probes.noise(FEATURES, 5000, np.random.default_rng(2))
    assert floats.dtype == np.float32
    assert (floats.min(0) >= FEATURES.min(0)).all()
    assert (floats.max(0) <= FEATURES.max(0)).all()
    np.testing.assert_allclose(floats.mean(0), (FEATURES.min(0) + FEATURES.max(0)) / 2, atol=0.4)
    assert abs(np.corrcoef(floats.T) - np.eye(6)).max() < 0.06


def test_made_probes_come_from_the_test_set_if_there_is_one():
    for spec in ("permuted", "scaled"):
        assert make(spec, pool()).x.shape == IMAGES.shape
        assert make(spec, pool(tested=True)).x.shape == IMAGES[:2].shape
        np.testing.assert_array_equal(make(spec, pool()).y, pool().y)
    noise = make("noise", pool(np.repeat(IMAGES, 100, axis=0)))
    np.testing.assert_allclose(np.bincount(noise.y, minlength=3) / 700, 1 / 3, atol=0.06)
    np.testing.assert_array_equal(noise.x, make("noise", pool(np.repeat(IMAGES, 100, axis=0))).x)


def test_resizing_keeps_constants_and_ramps():
    constant = np.full((2, 9, 4, 1), 77, np.uint8)
    np.testing.assert_array_equal(probes.fit(constant, IMAGES), np.full((2, 6, 5, 3), 77))
    ramp = np.broadcast_to(np.arange(0, 80, 10, np.float32)[:, None, None], (1, 8, 8, 1))
    doubled = probes.fit(ramp, np.zeros((1, 16, 8, 1), np.float32))
    np.testing.assert_allclose(np.diff(doubled[0, 1:-1, 0, 0]), 5, rtol=1e-5)


def test_colours_are_weighed_by_luminance_and_grey_becomes_equal_channels():
    grey = probes.fit(IMAGES, np.zeros((1, 6, 5, 1), np.uint8))
    expected = IMAGES @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey[..., 0], expected, atol=0.51)
    np.testing.assert_array_equal(
        probes.fit(IMAGES[..., :1], IMAGES), np.repeat(IMAGES[..., :1], 3, axis=3)
    )
    assert probes.fit(IMAGES, IMAGES[:1]) is IMAGES


def test_another_set_keeps_its_labels_if_there_are_classes_for_them():
    few, many = pool(classes=2, tested=True), pool(np.repeat(IMAGES, 100, axis=0), classes=9)
    np.testing.assert_array_equal(make("few", pool(), {"few": few}.get).y, few.y_test)
    labels = make("many", pool(), {"many": many}.get).y
    assert set(labels.tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (FEATURES, "its values are float32, the run's uint8"),
        (np.zeros((3, 8), np.uint8), "only images are resized"),
        (np.zeros((3, 8, 8, 4), np.uint8), "4 channels"),
    ],
)
def test_what_cannot_be_made_to_fit_is_refused(x, message):
    with pytest.raises(UserError, match=message) as caught:
        make("npz:x.npz", pool(), lambda _: pool(x))
    assert str(caught.value).startswith("npz:x.npz: ")
