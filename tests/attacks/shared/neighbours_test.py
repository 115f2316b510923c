"""Neighbours against all pairs of cosine distances, one model after the other."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from lira_jax.attacks.shared import neighbours
from lira_jax.attacks.shared.neighbours import count_neighbours, nearest_distance

RNG = np.random.default_rng(2)


def clusters(num_models=3, num_examples=75, spread=0.3):
    """Logits [models, examples, 4] about five centres, which no model sees quite alike."""
    centres = RNG.normal(0, 1, (5, num_models, 4))[RNG.integers(0, 5, num_examples)]
    noise = RNG.normal(0, spread, (num_models, num_examples, 4))
    return centres.transpose(1, 0, 2) + noise


def naive(logits, distance):
    features = (logits - logits.mean(-1, keepdims=True)).transpose(1, 0, 2)
    features = features.reshape(len(features), -1)
    return (cdist(features, features, "cosine") < distance).sum(1) - 1


@pytest.mark.parametrize("num_models", [1, 3, 20])
@pytest.mark.parametrize("distance", [0.01, 0.2, 1.2])
def test_counts_equal_all_pairs_of_cosine_distances(num_models, distance, monkeypatch):
    monkeypatch.setattr(neighbours, "TILE", 16)  # several tiles, the last one smaller
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 16 * 4 * 4 * 2)  # two models at a time
    logits = clusters(num_models)
    expected = naive(logits, distance)
    shift = RNG.normal(0, 5, (num_models, 75, 1))  # a softmax does not see it
    for most in (1, 3, 75):
        got = count_neighbours(logits + shift, distance, most)
        np.testing.assert_array_equal(got, np.minimum(expected, most))
        got = count_neighbours(logits, distance, most, candidates=20)  # and rounds of all
        assert np.all(got <= np.minimum(expected, most))
        np.testing.assert_array_equal(got, np.minimum(expected, most))


def test_counts_differ_between_the_examples_of_these_tests():
    expected = naive(clusters(), 0.2)
    assert expected.min() < 10 < expected.max()


def test_outputs_without_direction_have_no_neighbours():
    np.testing.assert_array_equal(count_neighbours(np.ones((2, 3, 4)), 0.5, 2), 0)


def test_large_outputs_have_neighbours_too():
    logits = np.float32(1e25) * clusters().astype(np.float32)
    np.testing.assert_array_equal(
        count_neighbours(logits, 0.2, 75), count_neighbours(logits / 1e25, 0.2, 75)
    )


def test_the_bound_lies_above_every_cosine_and_is_the_cosine_of_models_that_agree():
    logits = clusters(num_models=6)
    length, bound = neighbours._bounds(logits)
    everyone = np.arange(75)
    cosine = neighbours._cosine(logits, length, everyone, everyone)
    assert np.all(bound @ bound.T > cosine - 1e-5)
    alike = np.repeat(logits[:1], 6, axis=0)
    length, bound = neighbours._bounds(alike)
    cosine = neighbours._cosine(alike, length, everyone, everyone)
    np.testing.assert_allclose(bound @ bound.T, cosine, atol=1e-5)


def _computed(monkeypatch):
    """The numbers of pairs whose cosines are computed, as they are."""
    pairs = []

    def counting(function):
        def counted(*arguments):
            found = function(*arguments)
            pairs.append(found.size)
            return found

        return counted

    monkeypatch.setattr(neighbours, "_cosine", counting(neighbours._cosine))
    monkeypatch.setattr(neighbours, "_cosines_of", counting(neighbours._cosines_of))
    return pairs


def test_few_pairs_are_computed_where_most_examples_have_neighbours(monkeypatch):
    monkeypatch.setattr(neighbours, "TILE", 64)
    logits = RNG.normal(0, 1, (10, 1, 30)) * 0.1 + 8 * np.eye(30)[RNG.integers(0, 9, 2000)]
    logits[:, :20] = RNG.normal(0, 8, (20, 30))  # these have none
    pairs = _computed(monkeypatch)
    found = count_neighbours(logits, 0.05, 3)
    assert np.all(found[20:] == 3)
    assert np.all(found[:20] == np.minimum(naive(logits, 0.05), 3)[:20])
    assert sum(pairs) < 2000**2 / 100


def test_where_models_disagree_an_example_is_compared_with_its_candidates_alone(monkeypatch):
    """All others are left open, and none is a neighbour but for a twin of each."""
    logits = np.repeat(RNG.normal(0, 1, (40, 300, 3)), 2, axis=1)
    logits += RNG.normal(0, 0.01, logits.shape)
    pairs = _computed(monkeypatch)
    found = count_neighbours(logits, 0.1, 2, candidates=30)
    np.testing.assert_array_equal(found, naive(logits, 0.1))  # the twin is the most promising
    assert sum(pairs) <= 600 * (4 + 16 + 30 + 3)


def test_equal_examples_are_found_in_no_time():
    """A tree cannot divide equal points: 20000 of them in one leaf are 400 million distances."""
    logits = np.repeat(RNG.normal(0, 1, (1, 1, 4)), 20000, axis=1)
    np.testing.assert_array_equal(count_neighbours(logits, 0.1, 3), 3)


@pytest.mark.parametrize("classes", [4, 40])
def test_points_are_as_far_apart_as_the_bound_says(classes):
    logits = RNG.normal(0, 1, (1, 60, classes)) + RNG.normal(0, 0.3, (5, 60, classes))
    logits[:, 7] = 0
    length, bound = neighbours._bounds(logits)
    points = neighbours._points(bound)
    assert points.shape[1] <= neighbours.DIMENSIONS + 2
    everyone = np.arange(60)
    cosine = neighbours._cosine(logits, length, everyone, everyone)
    assert np.all(1 - cdist(points, points, "sqeuclidean") / 2 > cosine - 1e-5)


def test_no_more_logits_are_gathered_than_a_block_holds(monkeypatch):
    monkeypatch.setattr(neighbours, "TILE", 8)
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 8 * 4 * 4 * 3)
    blocks = list(neighbours._by_models(clusters(num_models=7), np.arange(8)))
    assert [x.shape for x in blocks] == [(8, 3, 4), (8, 3, 4), (8, 1, 4)]
    assert all(x.nbytes <= neighbours.BLOCK_BYTES for x in blocks)


def _distances(logits):
    features = (logits - logits.mean(-1, keepdims=True)).transpose(1, 0, 2)
    features = features.reshape(len(features), -1)
    distance = cdist(features, features, "cosine")
    np.fill_diagonal(distance, np.inf)
    return distance


@pytest.mark.parametrize("references", [74, 75, 1000])
def test_the_nearest_of_all_others_is_that_of_all_pairs(references, monkeypatch):
    monkeypatch.setattr(neighbours, "TILE", 16)
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 16 * 4 * 4 * 2)
    logits = clusters(20)
    logits[:, 5] = 3  # no direction: as far from everything as can be said
    expected = _distances(np.delete(logits, 5, 1)).min(1)
    found = nearest_distance(logits, references)
    np.testing.assert_allclose(np.delete(found, 5), expected, atol=1e-5)
    assert found[5] == 1


def test_each_is_compared_with_as_many_random_others(monkeypatch):
    monkeypatch.setattr(neighbours, "TILE", 16)
    logits, compared = clusters(3), []

    def spy(logits, length, rows, columns, cosine=neighbours._cosine):
        compared.append((len(rows), columns))
        return cosine(logits, length, rows, columns)

    monkeypatch.setattr(neighbours, "_cosine", spy)
    found = nearest_distance(logits, 10)
    sample = compared[0][1]
    assert sum(rows * len(columns) for rows, columns in compared) == 75 * 11  # linear in examples
    others = [np.setdiff1d(sample, [i]) if i in sample else sample[:-1] for i in range(75)]
    assert {len(o) for o in others} == {10}
    distance = _distances(logits)
    expected = [distance[i, o].min() for i, o in enumerate(others)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
