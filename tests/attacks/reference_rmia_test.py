"""RMIA's published code, against a plain reading of it, one target and one pair at a time.

https://github.com/privacytrustlab/ml_privacy_meter/tree/master/research/2024_rmia: main.py
(`aggregate_signals`, the augmented branch), signals.py (`get_taylor`, `convert_signals`) and
attack_configs/cifar10/rmia_online_254_ref_models.yaml.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from null_scores import auc, balanced, coin_flips

from lira_jax.attacks.reference_rmia import reference_confidence, reference_rmia
from lira_jax.attacks.rmia import rmia
from lira_jax.attacks.soft_margin import taylor_confidence, taylor_soft_margin
from lira_jax.errors import UserError


def taylor(z, order=4):
    """Terms 0 to order - 1: of order 4, the last one is the cubic."""
    return sum(z**k / math.factorial(k) for k in range(order))


def confidence(logits, label, temperature=2.0, margin=0.6):
    """sm_taylor_softmax of one example."""
    z = [float(value) / temperature for value in logits]
    own = taylor(z[label] - margin)
    return own / (sum(taylor(value) for value in z) - taylor(z[label]) + own)


def trimmed_mean(values, share=0.2):
    """scipy.stats.trim_mean."""
    cut = int(share * len(values))
    kept = sorted(values)[cut : len(values) - cut]
    return sum(kept) / len(kept)


def published(p, keep, own, rest, members, online, gamma=2.0, a=0.3):
    """Scores of one target, whose own confidences are [examples, queries]; rest are its shadows."""
    num_examples, num_queries = own.shape
    ins = [[m for m in rest if keep[m, i]] for i in range(num_examples)]
    outs = [[m for m in rest if not keep[m, i]] for i in range(num_examples)]
    # num_ref_models // 2 of each list are taken, and as many must be there.
    size = min(map(len, ins + outs if online else outs))
    ratio = np.empty((num_examples, num_queries))
    for i in range(num_examples):
        models = ins[i][:size] + outs[i][:size] if online else outs[i][:size]
        for query in range(num_queries):
            usual = trimmed_mean([p[m, i, query] for m in models])
            usual = usual if online else (1 + a) / 2 * usual + (1 - a) / 2
            ratio[i, query] = own[i, query] / usual
    population = [i for i in range(num_examples) if not members[i]]
    scores = []
    for x in range(num_examples):
        beaten = 0
        for z in population:
            pairs = zip(ratio[x], ratio[z], strict=True)
            votes = [r_x * (1 / r_z) > gamma for r_x, r_z in pairs]
            beaten += sum(votes) > num_queries - sum(votes)  # of a tie, torch.mode gives False
        prediction = -beaten / len(population)
        if not members[x]:  # "to avoid overlapping cases"
            prediction = (prediction * len(population) - 1) / (len(population) - 1)
        scores.append(-prediction)
    return scores


def evidence(seed, num_models, num_examples, num_queries, masks=balanced):
    rng = np.random.default_rng(seed)
    keep = masks(rng, num_models, num_examples)
    logits = rng.normal(0, 4, (num_models, num_examples, num_queries, 3)).astype(np.float32)
    labels = rng.integers(3, size=num_examples)
    p = np.stack(
        [reference_confidence(logits[:, :, q], labels) for q in range(num_queries)], axis=-1
    )
    return logits, labels, keep, p


@settings(max_examples=20)
@given(
    st.integers(6, 12),
    st.integers(4, 8),
    st.integers(1, 4),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([balanced, coin_flips]),
)
def test_equals_the_published_code(
    num_models, num_examples, num_queries, seed, online, gamma, masks
):
    logits, labels, keep, p = evidence(seed, num_models, num_examples, num_queries, masks)
    for (m, i, query), value in np.ndenumerate(p):
        expected = confidence(logits[m, i, query], labels[i])
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    longest = keep.sum(0) < num_models - 1
    assume((keep.sum(0) > 1).all() and longest.all() and (~keep).sum(1).min() > 1)
    got = reference_rmia(p, keep, members=keep, online=online, gamma=gamma)
    for t in range(num_models):
        rest = [m for m in range(num_models) if m != t]
        expected = published(p, keep, p[t], rest, keep[t], online, gamma)
        np.testing.assert_allclose(got[t], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("online", [True, False])
def test_a_target_from_outside_has_all_models_as_shadows(online):
    _, _, keep, p = evidence(1, 9, 8, 3)
    members = np.arange(8) % 2 == 0
    (got,) = reference_rmia(p[:8], keep[:8], observed=p[8:], members=members[None], online=online)
    expected = published(p, keep, p[8], range(8), members, online)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_the_last_line_puts_nonmembers_ahead_where_no_example_beats_another():
    rng = np.random.default_rng(2)
    keep, labels = balanced(rng, 16, 100), rng.integers(4, size=100)
    logits = rng.normal(0, 2, (100, 4)) + rng.normal(0, 0.01, (16, 100, 4))
    p = taylor_confidence(logits, labels, 2.0, 0.6, 4)  # of order 3 some are nearly 0
    assert np.all(reference_rmia(p, keep, members=keep, adjust=False) == 0)
    score = reference_rmia(p, keep, members=keep)
    number = np.broadcast_to((~keep).sum(1, keepdims=True), keep.shape)
    assert np.all(score[keep] == 0)
    np.testing.assert_allclose(score[~keep], 1 / (number[~keep] - 1), rtol=1e-12)
    assert auc(score[0], keep[0]) == 0


def test_without_the_last_line_noise_is_at_chance():
    aucs = []
    for seed in range(8):
        _, _, keep, p = evidence(seed, 16, 150, 1)
        aucs.append(auc(reference_rmia(p, keep, members=keep, adjust=False), keep))
    assert abs(np.mean(aucs) - 0.5) < 4 * np.std(aucs, ddof=1) / np.sqrt(8)


def test_without_that_line_and_with_a_positive_polynomial_it_is_rmia_with_options():
    """Where no list is longer than another once a partner is deleted: two lists of one model."""
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(0, 2, (6, 60, 4)), rng.integers(4, size=60)
    # Every model has a complement, and the target's is the only other partner it can have.
    half = rng.random((1, 60)) < 0.5
    keep = np.concatenate([half, ~half] * 3)
    phi = taylor_soft_margin(logits, labels)
    observed, members = phi[:1] + 0.3, half
    got = reference_rmia(
        1 / (1 + np.exp(-phi)),
        keep,
        observed=1 / (1 + np.exp(-observed)),
        members=members,
        adjust=False,
    )
    options = dict(trim=0.2, members=members, combine="vote")
    np.testing.assert_allclose(rmia(phi, keep, observed=observed, **options), got, atol=1e-12)


def test_examples_with_empty_lists_are_left_out():
    _, _, keep, p = evidence(4, 8, 30, 2)
    keep[:, 4] = True
    rest = np.arange(30) != 4
    score = reference_rmia(p, keep, members=keep)
    assert np.isnan(score[:, 4]).all()
    expected = reference_rmia(p[:, rest], keep[:, rest], members=keep[:, rest])
    np.testing.assert_array_equal(score[:, rest], expected)


def test_what_cannot_be_attacked_is_refused_in_one_line():
    _, _, keep, p = evidence(5, 8, 6, 1)
    with pytest.raises(UserError, match="no example has 1 in and 1 out shadow scores, as rmia"):
        reference_rmia(p, np.ones_like(keep), members=keep)
    with pytest.raises(UserError, match="the target has 0 non-members"):
        reference_rmia(p, keep, members=np.ones_like(keep))
