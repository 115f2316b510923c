import numpy as np
import pytest

from lira_jax.evaluation import shadow_threshold
from lira_jax.evaluation.decisions import best_threshold, decision_metrics
from lira_jax.evaluation.ranked import Ranked


def simulated(gap, targets=6, examples=400, seed=0):
    rng = np.random.default_rng(seed)
    members = rng.random((targets, examples)) < 0.5
    return rng.normal(size=members.shape) + gap * members, members


def test_thresholds_equal_the_naive_choice_on_all_other_targets():
    # Few enough pairs that the grid holds every score.
    scores, members = simulated(1.0, examples=60)
    for t, threshold in enumerate(shadow_threshold.thresholds(Ranked.of(scores, members))):
        others = np.arange(len(scores)) != t
        chosen = best_threshold(scores[others].ravel(), members[others].ravel())

        def power(at, others=others):
            decided = scores[others] >= at
            return decision_metrics(decided, members[others]).balanced_accuracy

        assert power(threshold) == pytest.approx(power(chosen), abs=1e-12)


def test_a_targets_own_membership_has_no_say():
    scores, members = simulated(1.0)
    changed = members.copy()
    changed[2] = ~changed[2]
    before, after = (shadow_threshold.thresholds(Ranked.of(scores, m)) for m in (members, changed))
    assert before[2] == after[2]
    assert (before != after).any()


def test_noise_is_decided_at_chance_while_an_oracle_is_above():
    accuracies = []
    for seed in range(60):
        scores, members = simulated(0.0, targets=4, examples=50, seed=seed)
        decided = scores >= shadow_threshold.thresholds(Ranked.of(scores, members))[:, None]
        accuracies.append(decision_metrics(decided, members).balanced_accuracy)
    assert abs(np.mean(accuracies) - 0.5) < 4 * np.std(accuracies) / np.sqrt(60)


def test_one_target_has_no_others():
    scores, members = simulated(1.0, targets=1)
    assert shadow_threshold.thresholds(Ranked.of(scores, members)) is None
