"""WBC against loops, and on null data."""

import numpy as np
import pytest

from lira_jax.attacks.window_comparison import WINDOWS, window_comparison
from lira_jax.errors import UserError

LENGTHS = np.array([2, 3, 17, 50])


def data(seed=0, models=6, examples=4, tokens=50):
    rng = np.random.default_rng(seed)
    log_p = -rng.gamma(1.0, size=(examples, tokens)) - rng.gamma(1.0, size=(models, 1, 1))
    log_p = log_p - rng.gamma(0.5, size=(models, examples, tokens))
    keep = rng.random((models, examples)).argsort(0) < models // 2
    return log_p, keep


def by_hand(own, reference):
    """The shares of one text's windows, [tokens] both."""
    shares = []
    for size in WINDOWS:
        if size > len(own):
            continue
        starts = range(len(own) - size + 1)
        lower = [sum(-own[s : s + size]) < sum(-reference[s : s + size]) for s in starts]
        shares.append(np.mean(lower))
    return np.mean(shares)


def reference(log_p, keep, target, example):
    """The mean over out models but the target, or its partner: the next of the other kind."""
    models = len(log_p)
    order = [(target + step) % models for step in range(models)]
    gone = next(m for m in order if not keep[m, example])
    out = [m for m in range(models) if not keep[m, example] and m != gone]
    return log_p[out, example].mean(0)


def test_shares_of_windows_are_those_of_loops():
    log_p, keep = data()
    found = window_comparison(log_p, LENGTHS, keep, [0, 4])
    for row, target in enumerate((0, 4)):
        for i, n in enumerate(LENGTHS):
            expected = by_hand(log_p[target, i, :n], reference(log_p, keep, target, i)[:n])
            assert found[row, i] == pytest.approx(expected, abs=1e-12)
    log_p[:, 0, 2:] = 7  # after its last token
    np.testing.assert_array_equal(window_comparison(log_p, LENGTHS, keep, [0, 4]), found)


def test_of_a_target_from_outside_nobody_is_left_out():
    log_p, keep = data()
    own = data(seed=1)[0][:1]
    found = window_comparison(log_p, LENGTHS, keep, observed=own)
    for i, n in enumerate(LENGTHS):
        expected = by_hand(own[0, i, :n], log_p[~keep[:, i], i, :n].mean(0))
        assert found[0, i] == pytest.approx(expected, abs=1e-12)


def test_a_text_without_an_out_model_has_no_score():
    log_p, keep = data()
    keep[:, 2] = True
    assert np.isnan(window_comparison(log_p, LENGTHS, keep, observed=log_p[:1])[:, 2]).all()
    with pytest.raises(UserError, match="wbc needs"):
        window_comparison(log_p, LENGTHS, np.ones_like(keep), observed=log_p[:1])
