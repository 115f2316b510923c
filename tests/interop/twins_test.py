"""A target that is one of the shadows, in the forms that a user may have it in."""

import numpy as np
import pytest

from lira_jax.interop.arrays import LOG_FLOOR, phi_from_logits
from lira_jax.interop.twins import Twin, find_twins

M, N, K = 8, 400, 5


@pytest.fixture(scope="module")
def run():
    """labels [N], keep [M, N], logits [M, N, K] of models that agree on most of what is hard."""
    rng = np.random.default_rng(0)
    labels, keep = rng.integers(0, K, N), rng.random((M, N)).argsort(0) < M // 2
    logits = 3 * rng.normal(size=(N, K)) + rng.normal(size=(M, N, K))
    logits[:, np.arange(N), labels] += 2 + 2 * keep
    return labels, keep, logits.astype(np.float32)


def phi(logits, labels):
    return np.array([phi_from_logits(z[:, None], labels)[:, 0] for z in logits])


def softmax(z):
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def bfloat16(z):
    return (z.view(np.uint32) & 0xFFFF0000).view(np.float32)


def log(p):
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p.astype(np.float32)), LOG_FLOOR)


FORMS = {
    "itself": lambda z: z,
    "float16": lambda z: z.astype(np.float16),
    "bfloat16": bfloat16,
    "log-probabilities": lambda z: log(softmax(z)),
    "float16 log-probabilities": lambda z: log(softmax(z)).astype(np.float16),
    "float16 probabilities": lambda z: log(softmax(z).astype(np.float16)),
    "temperature": lambda z: z / 3,
    "sharper": lambda z: z * 2,
    "a constant more": lambda z: z + 11,
    "the same weights on another device": lambda z: z * (1 + 1e-5),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("scale", [0.3, 1, 10])  # of models that know little, or saturate
def test_a_model_is_found_by_its_outputs(run, form, told, scale):
    _, keep, logits = run
    logits, models = logits * np.float32(scale), [6, 0]
    observed = form(logits[models])
    found = find_twins(logits, keep, observed, keep[models] if told else None)
    assert found == [Twin(m, True, 0 if told else None) for m in models]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_scores_alone_tell_too(run, dtype):
    labels, keep, logits = run
    own = phi(logits, labels)
    assert find_twins(own, keep, own[[5]].astype(dtype), None) == [Twin(5, True, None)]
    assert find_twins(own[:5], keep[:5], own[[5]], None) == [None]


def test_a_membership_that_is_not_the_models_is_counted(run):
    _, keep, logits = run
    part = keep[4] & (np.arange(N) < 100)
    for members, differing in ((~keep[4], N), (part, (keep[4] & (np.arange(N) >= 100)).sum())):
        found = find_twins(logits, keep, logits[[4]], members[None])
        assert found == [Twin(4, True, differing)]


def test_another_training_on_the_same_set_is_found_by_its_members(run):
    _, keep, logits = run
    other = logits[[2]] + 2 * np.random.default_rng(1).normal(size=(1, N, K))
    assert find_twins(logits, keep, other, keep[[2]]) == [Twin(2, False, 0)]
    assert find_twins(logits, keep, other, None) == [None]
    same = np.repeat(keep[:1], M, 0)  # all trained on one set: no model is the counterpart
    assert find_twins(logits, same, other, same[:1]) == [None]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [1, 0.01])
def test_a_model_that_is_new_has_no_twin(seed, noise):
    """Also among models that differ by very little, as those of a linear model do."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(N, K)) + noise * rng.normal(size=(M + 1, N, K))
    keep = rng.random((M + 1, N)) < 0.5
    assert find_twins(logits[:M], keep[:M], logits[M:], keep[M:]) == [None]


def test_outputs_that_say_nothing_have_no_twin(run):
    _, keep, logits = run
    flat = np.zeros((1, N, K), np.float32)
    assert find_twins(logits, keep, flat, ~keep[:1]) == [None]
    assert find_twins(np.zeros_like(logits), keep, flat, None) == [None]
    assert find_twins(np.repeat(logits[:1], M, 0), keep, logits[:1], None) == [None]  # which one?


def test_of_two_shadows_one_may_be_the_target(run):
    _, keep, logits = run
    assert find_twins(logits[:2], keep[:2], logits[[1]], None) == [Twin(1, True, None)]
