"""What tests of attacks share: masks, the partner rule in plain Python, what noise must give."""

import functools
from fractions import Fraction

import numpy as np
from scipy import stats


def balanced(rng, num_models, num_examples):
    """keep[models, examples] with every example in half of the models."""
    return rng.random((num_models, num_examples)).argsort(0) < num_models // 2


def coin_flips(rng, num_models, num_examples):
    """keep[models, examples] of lists of different lengths, two or more in each."""
    keep = rng.random((num_models, num_examples)) < 0.5
    keep[:2], keep[2:4] = True, False
    return rng.permuted(keep, axis=0)


def has_partner(keep):
    """Whether a partner goes with each target, for keep [models, examples].

    It does if the numbers of models that trained on an example are nearer to one number than to
    those of coin flips, in how often they are the most frequent one or in their variance.
    """
    numbers = [int(column.sum()) for column in keep.T]
    often, mode = max((numbers.count(n), -n) for n in numbers)
    by_chance = stats.binom(len(keep), keep.mean()).pmf(-mode)
    mostly = often / len(numbers) > (1 + by_chance) / 2
    mean = Fraction(sum(numbers), len(numbers))
    variance = sum((n - mean) ** 2 for n in numbers) / len(numbers)
    shares = [Fraction(int(row.sum()), len(row)) for row in keep]
    return mostly or variance <= sum(share * (1 - share) for share in shares) / 2


def lists(keep, target, with_partner=True):
    """(in, out) models of one example, keep [models], without target (if any) and partner."""
    gone = () if target is None else (target, partner(keep, target) if with_partner else target)
    rest = [m for m in range(len(keep)) if m not in gone]
    return [m for m in rest if keep[m]], [m for m in rest if not keep[m]]


def partner(keep, target):
    """The next model with the opposite membership of one example."""
    for step in range(1, len(keep)):
        model = (target + step) % len(keep)
        if keep[model] != keep[target]:
            return model
    return -1


def auc(score, member):
    """Probability that a member outranks a non-member, ties counting half."""
    ranks = stats.rankdata(score, axis=None).reshape(score.shape)
    num_in, num_out = member.sum(), (~member).sum()
    return (ranks[member].sum() - num_in * (num_in + 1) / 2) / (num_in * num_out)


@functools.cache
def noise(num_models):
    """phi of examples of different hardness, and masks that have nothing to do with it."""
    rng = np.random.default_rng(num_models)
    num_examples = {8: 24000, 16: 12000, 64: 4000}[num_models]
    mean, sd = rng.normal(1, 3, num_examples), rng.uniform(0.5, 2, num_examples)
    return rng.normal(mean, sd, (num_models, num_examples)), balanced(rng, num_models, num_examples)


def assert_chance(score, member):
    """AUC one half, and TPR equal to FPR near 1 %, within four standard errors over groups."""
    groups = np.array_split(np.arange(score.shape[1]), 20)
    aucs = np.array([auc(score[:, g], member[:, g]) for g in groups])
    threshold = np.quantile(score[~member], 0.99)
    above = score >= threshold
    assert 0.005 < above[~member].mean() < 0.02  # ties have not moved the threshold to another FPR
    gains = np.array(
        [above[:, g][member[:, g]].mean() - above[:, g][~member[:, g]].mean() for g in groups]
    )
    for values, chance in ((aucs, 0.5), (gains, 0.0)):
        assert abs(values.mean() - chance) < 4 * values.std(ddof=1) / np.sqrt(len(groups))
