import numpy as np
import pytest

from lira_jax.evaluation.exposure import exposure
from lira_jax.evaluation.loss_traces import loss_traces, losses, lt_iqr

RNG = np.random.default_rng(0)


def test_losses_are_cross_entropies_at_both_ends():
    phi = np.array([-800.0, -2.0, 0.0, 3.0, 40.0], np.float32)
    np.testing.assert_allclose(
        losses(phi), [800.0, np.log1p(np.exp(2)), np.log(2), np.log1p(np.exp(-3)), np.exp(-40)]
    )


def test_lt_iqr_is_the_distance_of_the_quartiles_over_epochs():
    traces = RNG.exponential(size=(7, 2, 3))
    expected = [
        [np.subtract(*np.quantile(traces[:, t, i], [0.75, 0.25])) for i in range(3)]
        for t in range(2)
    ]
    np.testing.assert_allclose(lt_iqr(traces), expected)
    assert lt_iqr(np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])).tolist() == [2.0]


def run(models=8, examples=400, seed=0):
    rng = np.random.default_rng(seed)
    keep = rng.random((models, examples)).argsort(0) < models // 2
    gap = rng.exponential(2, size=examples)
    return rng.normal(size=keep.shape) + gap * keep, keep


def test_a_ranking_by_exposure_itself_is_perfect_and_one_by_chance_is_not():
    phi, keep = run()
    targets = np.array([1, 6])
    oracle = np.stack(
        [exposure(np.delete(phi, t, 0)[:, :, None], np.delete(keep, t, 0)) for t in targets]
    )
    traces = oracle * np.array([0.0, 1.0, 2.0, 3.0])[:, None, None]
    found = loss_traces(traces, targets, phi, keep)
    assert (found.num_epochs, found.num_targets) == (4, 2)
    for name in ("lt_iqr", "mean", "last"):
        assert found.rankings[name].spearman.value == pytest.approx(1)
        assert {t: p.value for t, p in found.rankings[name].precision.items()} == {
            "0.01": 1,
            "0.1": 1,
        }
    guess = loss_traces(RNG.random(traces.shape), targets, phi, keep).rankings["lt_iqr"]
    assert abs(guess.spearman.value) < 0.3
    assert guess.precision["0.1"].value < 0.5


def test_the_target_has_no_say_in_the_exposure_of_its_members():
    phi, keep = run(seed=1)
    traces = RNG.random((4, 1, 400))
    before = loss_traces(traces, np.array([2]), phi, keep)
    phi[2] = 1e3
    assert loss_traces(traces, np.array([2]), phi, keep) == before


def test_only_members_are_ranked():
    phi, keep = run(seed=2)
    traces = RNG.random((4, 1, 400))
    before = loss_traces(traces, np.array([3]), phi, keep)
    traces[:, 0, ~keep[3]] *= 1e6
    assert loss_traces(traces, np.array([3]), phi, keep) == before
