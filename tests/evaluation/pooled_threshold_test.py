import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np

from lira_jax.evaluation import pooled_threshold
from lira_jax.evaluation.ranked import Ranked
from lira_jax.evaluation.roc import roc, tpr_at_fpr


@hypothesis.given(
    hnp.arrays(np.float32, st.integers(1, 60), elements=st.integers(-5, 5)),
    hnp.arrays(np.float32, st.integers(1, 60), elements=st.integers(-5, 5)),
    st.sampled_from([1e-3, 0.05, 0.1, 0.25, 0.5, 0.99]),
)
def test_it_decides_as_the_roc_step_does(inside, outside, fpr):
    threshold = pooled_threshold.at_fpr(outside, fpr)
    assert np.mean(outside >= threshold) <= fpr
    members = np.arange(inside.size + outside.size) < inside.size
    if fpr * outside.size >= 1:
        expected = tpr_at_fpr(roc(np.concatenate([inside, outside]), members), fpr)
        assert np.mean(inside >= threshold) == expected
    else:
        assert np.mean(inside >= threshold) == np.mean(inside > outside.max())


def test_rounding_does_not_take_an_alarm_away():
    for n in range(100, 3000, 100):
        scores = np.arange(n, dtype=np.float64)
        for fpr in (0.01, 0.07, 0.29):
            assert (scores >= pooled_threshold.at_fpr(scores, fpr)).sum() == round(n * fpr)


def test_infinite_scores_are_numbers():
    assert pooled_threshold.at_fpr(np.array([0.0, np.inf]), 0) == np.inf
    assert pooled_threshold.at_fpr(np.array([-np.inf, 0.0, 1.0, 2.0]), 0.25) > 1


def test_each_target_has_its_own_and_nan_is_no_score():
    scores = np.array([[1.0, 2.0, np.nan, 4.0], [9.0, 8.0, 7.0, 6.0], [1.0, 1.0, 1.0, 1.0]])
    members = np.array([[0, 0, 0, 1], [1, 1, 0, 0], [1, 1, 1, 1]], bool)
    found = pooled_threshold.of_targets(Ranked.of(scores, members).rows, 0)
    assert found[:2].tolist() == [2, 5]  # of the scores 1, 2, 4, 6, 7, 8, 9: above 2, and above 7
    assert np.isnan(found[2])
