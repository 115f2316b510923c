"""The queries of each tool, cut from images as it cuts them."""

import numpy as np
import pytest

from lira_jax.data import augment
from lira_jax.errors import UserError
from lira_jax.interop import queries

TOOLS = ("tf_privacy", "lira_analysis")


def crops(image, shift, tool):
    """The queries of one image [H, W, C] in a tool's order: pad, cut."""
    height, width = image.shape[:2]
    found = []
    for picture in (image, image[:, ::-1]):
        padded = np.pad(picture, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
        for outer in range(2 * shift + 1):
            for inner in range(2 * shift + 1):
                down, right = (outer, inner) if tool == "tf_privacy" else (inner, outer)
                found.append(padded[down : down + height, right : right + width])
    return np.array(found)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(("number", "shift"), [(2, 0), (18, 1), (50, 2), (162, 4)])
def test_our_order_of_a_tools_queries_is_that_of_our_grid(tool, number, shift):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 7, 6, 3)).astype(np.uint8)  # no two pixels tied
    ours = np.asarray(augment.query_views(images, np.arange(2), augment.query_grid(number)))
    theirs = np.array([crops(image, shift, tool) for image in images])
    found = queries.in_our_order(theirs, tool)
    np.testing.assert_array_equal(found, ours.reshape(2, number, 7, 6, 3))
    np.testing.assert_array_equal(found[:, np.argsort(queries.grid_order(number, tool))], theirs)


def test_the_plain_image_is_query_4_of_18_and_12_of_50():
    for tool in TOOLS:
        assert [queries.grid_order(n, tool)[0] for n in (1, 2, 18, 50)] == [0, 0, 4, 12]
        assert [queries.grid_order(n, tool)[n // 2] for n in (2, 18, 50)] == [1, 13, 37]


@pytest.mark.parametrize("tool", queries.ORDERS)
@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("mirrored", [False, True])
def test_no_query_is_lost(tool, shift, mirrored):
    number = (1 + mirrored) * (2 * shift + 1) ** 2
    assert sorted(queries.grid_order(number, tool)) == list(range(number))


@pytest.mark.parametrize("number", [3, 4, 8, 10, 16, 32])
def test_other_numbers_of_queries_are_no_grid(number):
    assert queries.grid_order(number) is None
    array = np.arange(2 * number).reshape(2, number)
    np.testing.assert_array_equal(queries.in_our_order(array, "tf_privacy"), array)


def test_an_unknown_order_is_one_line():
    with pytest.raises(UserError, match="--targets_queries=tf-privacy: did you mean tf_privacy"):
        queries.check_order("--targets_queries", "tf-privacy")


@pytest.mark.parametrize("number", [18, 50])
@pytest.mark.parametrize("true", queries.ORDERS)
@pytest.mark.parametrize("said", queries.ORDERS)
def test_queries_in_another_order_than_is_said_are_seen(number, true, said):
    """A shift moves phi alike under all models: here half of the movement is common to them."""
    rng = np.random.default_rng(number)
    common = rng.normal(size=(300, number))
    ours, theirs = common + rng.normal(size=(2, 300, number))
    saved = theirs[:, np.argsort(queries.grid_order(number, true))]
    found = queries.likely_order(queries.in_our_order(saved, said), ours, said)
    assert found == (None if true == said else true)


@pytest.mark.parametrize("number", [1, 2, 10, 18])
def test_queries_without_a_pattern_tell_nothing(number):
    rng = np.random.default_rng(0)
    assert queries.likely_order(*rng.normal(size=(2, 300, number)), "ours") is None
    assert queries.likely_order(*np.zeros((2, 300, number)), "ours") is None
