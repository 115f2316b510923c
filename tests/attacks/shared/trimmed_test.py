"""Trimmed means by deletion against sorting each list anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.attacks.shared.trimmed import trimmed_sum


def naive(scores, gone, trim):
    """Deletes, sorts, trims and averages one list."""
    scores = sorted(scores)
    for score in gone:
        scores.remove(score)
    cut = int(trim * len(scores))
    kept = scores[cut : len(scores) - cut]
    return sum(kept) / len(kept) if kept else np.nan


@settings(max_examples=60)
@given(
    st.integers(1, 14),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4, 0.49]),
    st.integers(0, 2**32),
    st.sampled_from(["uniform", "ties", "decades"]),
)
def test_equals_deletion_from_each_list(num_models, gone, trim, seed, kind):
    rng = np.random.default_rng(seed)
    shape = (num_models, 6, 2)
    p = {
        "uniform": lambda: rng.random(shape),
        "ties": lambda: rng.integers(0, 3, shape) / 2,
        "decades": lambda: 10.0 ** rng.uniform(-300, 0, shape),  # subtraction would lose all digits
    }[kind]()
    member = rng.random(shape[:2]) < 0.7
    lost = [rng.permutation(np.flatnonzero(m))[:gone] for m in member.T]
    enough = np.array([len(models) == gone for models in lost])
    rows = np.array([models if ok else [0] * gone for models, ok in zip(lost, enough, strict=True)])
    scores = [p[rows[:, k], np.arange(6)] for k in range(gone)]
    got = trimmed_sum(p, member, trim, gone).mean(*scores)
    for i in np.flatnonzero(enough):
        for query in range(2):
            deleted = [score[i, query] for score in scores]
            expected = naive(p[member[:, i], i, query], deleted, trim)
            np.testing.assert_allclose(got[i, query], expected, rtol=1e-12)


def test_nothing_is_left_of_a_list_that_is_all_deleted():
    p = np.array([[[0.3]], [[0.6]]])
    assert np.isnan(trimmed_sum(p, np.ones((2, 1), bool), 0.2, 2).mean(p[0], p[1]))


@pytest.mark.parametrize("trim", [0.0, 0.2])
def test_one_sure_model_among_unsure_ones_leaves_no_rounding(trim):
    p = np.full((9, 1, 1), 1e-40)
    p[4] = 1.0
    assert trimmed_sum(p, np.ones((9, 1), bool), trim, 2).mean(p[4], p[0]) == pytest.approx(1e-40)
