"""Attacks that learn from shadow outputs: on noise, on overfitted models, and against fits made one
by one."""

import sys
import warnings

import numpy as np
import pytest
from null_scores import assert_chance, auc, balanced, lists
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from lira_jax.attacks import classifiers, trained
from lira_jax.attacks.classifiers import VARIANTS
from lira_jax.attacks.shared import pairs
from lira_jax.attacks.trained import trained_attack
from lira_jax.errors import UserError

NAMES = ["shokri", "salem_top3", "rezaei_nn", "random_forest", "gradient_boosting"]
LOGISTIC = dict(features=classifiers.confidences, estimator=lambda seed: LogisticRegression())


def _signatures(num_models, num_examples, gain=0.0):
    """Logits by which an example is recognised in every model; a member's label logit is larger by
    `gain`."""
    rng = np.random.default_rng([num_models, num_examples])
    keep = balanced(rng, num_models, num_examples)
    labels = rng.integers(0, 2, num_examples)
    logits = rng.normal(0, 3, (num_examples, 4)) + rng.normal(0, 0.3, (num_models, num_examples, 4))
    logits[:, np.arange(num_examples), labels] += gain * keep
    return logits, labels, keep


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("num_models", "num_examples"), [(8, 300), (16, 160)])
def test_noise_gives_chance_though_examples_are_recognised(name, num_models, num_examples):
    logits, labels, keep = _signatures(num_models, num_examples)
    targets = np.arange(0, num_models, num_models // 8)
    assert_chance(trained_attack(logits, labels, keep, targets, **VARIANTS[name]), keep[targets])


def test_leaving_only_the_target_out_is_biased_on_noise(monkeypatch):
    logits, labels, keep = _signatures(8, 300)

    def others(keep, target, limit, seed, **_):
        return np.nonzero(np.arange(len(keep))[:, None] != np.full(keep.shape, target))

    monkeypatch.setattr(pairs, "sample", others)
    score = trained_attack(logits, labels, keep, **VARIANTS["random_forest"])
    aucs = np.array([auc(score[:, g], keep[:, g]) for g in np.array_split(np.arange(300), 20)])
    assert aucs.mean() + 10 * aucs.std(ddof=1) / np.sqrt(20) < 0.5


def test_noise_gives_chance_where_masks_are_coin_flips():
    """A classifier that recognises examples learns what share of the shadows trained on each. With
    a partner of the opposite membership gone that share tells of the target: AUC .65 here."""
    areas = []
    for seed in range(8):
        logits, labels, _ = _signatures(8, 100)
        keep = np.random.default_rng([seed, 1]).random((8, 100)) < 0.5
        options = dict(
            features=classifiers.confidences, estimator=lambda _: KNeighborsClassifier(5)
        )
        areas.append(auc(trained_attack(logits, labels, keep, **options), keep))
    assert abs(np.mean(areas) - 0.5) < 4.5 * np.std(areas, ddof=1) / np.sqrt(8)
    assert np.std(areas, ddof=1) / np.sqrt(8) < 0.01


@pytest.mark.parametrize("name", [*NAMES, "xgboost"])
def test_members_of_overfitted_models_score_higher(name):
    if name == "xgboost":
        pytest.importorskip("xgboost")
    logits, labels, keep = _signatures(8, 600)
    logits[:, np.arange(600), labels] += 4 + 4 * keep
    score = trained_attack(logits, labels, keep, [2, 5], **VARIANTS[name])
    assert auc(score, keep[[2, 5]]) > 0.65


def _naive(logits, labels, keep, own, target, limit, seed):
    """One logistic regression for each label, on the pairs with that label."""
    models, examples = pairs.sample(keep, target, limit, seed)
    x, score = classifiers.confidences(logits), np.empty(len(labels))
    for label in set(labels):
        every = list(zip(models, examples, strict=True))
        own_class = [(m, i) for m, i in every if labels[i] == label]
        members = sum(keep[pair] for pair in own_class)
        if min(members, len(own_class) - members) < trained.FEWEST_PAIRS:
            own_class = every
        fitted = LogisticRegression().fit(
            [x[pair] for pair in own_class], [keep[pair] for pair in own_class]
        )
        for i in np.flatnonzero(labels == label):
            score[i] = fitted.decision_function(classifiers.confidences(own[i])[None])[0]
    return score


def test_each_label_has_its_own_classifier_and_rare_labels_one_of_all():
    logits, labels, keep = _signatures(8, 60, gain=1.0)
    labels[:4] = 3  # 4 examples in 6 shadows: 24 pairs
    got = trained_attack(
        logits, labels, keep, [6, 1], **LOGISTIC, per_class=True, limit=300, seed=4
    )
    expected = [_naive(logits, labels, keep, logits[t], t, 300, 4) for t in (6, 1)]
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)
    of_all = trained_attack(logits, labels, keep, [6, 1], **LOGISTIC, limit=300, seed=4)
    np.testing.assert_allclose(got[:, :4], of_all[:, :4], rtol=1e-6)
    assert np.abs(got[:, 4:] - of_all[:, 4:]).min() > 0


def test_outside_targets_are_judged_by_one_classifier_of_all_models():
    logits, labels, keep = _signatures(8, 40, gain=1.0)
    outside = logits[:3] + 0.5
    fits, done = [], []

    class Counted(LogisticRegression):
        def fit(self, x, member):
            fits.append(len(x))
            return super().fit(x, member)

    score = trained_attack(
        logits,
        labels,
        keep,
        observed=outside,
        features=classifiers.confidences,
        estimator=lambda seed: Counted(),
        progress=lambda: done.append(1),
    )
    expected = [
        _naive(logits, np.zeros_like(labels), keep, own, None, 20_000, 0) for own in outside
    ]
    np.testing.assert_allclose(score, expected, rtol=1e-6, atol=1e-9)
    assert (len(fits), len(done)) == (1, 3)


class _Recorder(LogisticRegression):
    """Tells what it is fitted to; one is made, too, that is not."""

    def __init__(self, fitted=None, seed=0):
        super().__init__()
        self.fitted, self.seed = fitted, seed

    def fit(self, x, member):
        self.fitted.append((self.seed, x.astype(int), member))
        return super().fit(x - x.mean(0), member)


def test_a_classifier_never_sees_the_target_nor_its_partners():
    _, labels, keep = _signatures(8, 100)
    logits = np.stack(np.broadcast_arrays(np.arange(8)[:, None], np.arange(100), 0.0), axis=-1)
    seen = []
    recorder = dict(features=lambda logits: logits, estimator=lambda seed: _Recorder(seen))
    trained_attack(logits, labels, keep, [5], **recorder)
    ((_, x, member),) = seen
    models, examples = x[:, :2].T
    np.testing.assert_array_equal(member, keep[models, examples])
    pairs = {(m, i) for i in range(100) for side in lists(keep[:, i], 5) for m in side}
    assert sorted(zip(models.tolist(), examples.tolist(), strict=True)) == sorted(pairs)


@pytest.mark.parametrize("name", ["shokri", "random_forest", "gradient_boosting"])
def test_scores_repeat_whatever_the_other_targets_and_the_cores(name, monkeypatch):
    logits, labels, keep = _signatures(8, 60, gain=1.0)
    options = dict(VARIANTS[name], limit=240)
    first = trained_attack(logits, labels, keep, [0, 3], **options)
    monkeypatch.setattr(trained, "MAX_THREADS", 1)
    np.testing.assert_array_equal(trained_attack(logits, labels, keep, [3], **options)[0], first[1])
    assert np.any(trained_attack(logits, labels, keep, [3], **options, seed=1)[0] != first[1])


def test_bounded_training_does_not_warn():
    logits, labels, keep = _signatures(4, 60)
    one_epoch = dict(
        features=classifiers.top3,
        estimator=lambda seed: MLPClassifier(max_iter=1, random_state=seed),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained_attack(logits, labels, keep, [0], **one_epoch)
    assert not caught


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    logits, labels, keep = _signatures(8, 60)
    with pytest.raises(UserError, match="pip install xgboost"):
        trained_attack(logits, labels, keep, [0], **VARIANTS["xgboost"])


def test_too_few_pairs_and_wrong_shapes_are_refused():
    logits, labels, keep = _signatures(4, 40)
    with pytest.raises(UserError, match=r"40 member and 40 non-member pairs .* needs 50 of each"):
        trained_attack(logits, labels, keep, [0], **LOGISTIC)
    with pytest.raises(UserError, match=r"labels has shape \(39,\)"):
        trained_attack(logits, labels[1:], keep, **LOGISTIC)
    with pytest.raises(UserError, match=r"logits has shape \(4, 40\): give"):
        trained_attack(logits[..., 0], labels, keep, **LOGISTIC)


def test_targets_and_seeds_make_different_classifiers():
    logits, labels, keep = _signatures(8, 60)
    seen = []
    options = dict(features=classifiers.top3, estimator=lambda seed: _Recorder(seen, seed))
    for seed in (0, 1):
        trained_attack(logits, labels, keep, [2, 4, 7], **options, seed=seed)
    assert len(seen) == len({seed for seed, _, _ in seen}) == 6


def _uneven(num_in, num_models=12, num_examples=300, gain=0.0):
    """Signatures as above, every example being in `num_in` models."""
    rng = np.random.default_rng(num_in)
    keep = rng.random((num_models, num_examples)).argsort(0) < num_in
    labels = rng.integers(0, 2, num_examples)
    logits = rng.normal(0, 2, (num_models, num_examples, 4))
    logits[:, np.arange(num_examples), labels] += 2 + gain * keep
    return logits, labels, keep


@pytest.mark.parametrize("num_in", [10, 2])
@pytest.mark.parametrize("name", ["shokri", "shokri_softmax", "shokri_logits", "rezaei_nn"])
def test_networks_find_members_where_either_kind_is_rare(name, num_in):
    # As much to find, and as much to be found, as in overfitted models above.
    logits, labels, keep = _uneven(num_in, num_examples=600, gain=4.0)
    score = trained_attack(logits, labels, keep, [0, 4, 8], **VARIANTS[name])
    assert auc(score, keep[[0, 4, 8]]) > 0.65


@pytest.mark.parametrize("num_in", [10, 2])
def test_noise_gives_chance_where_either_kind_is_rare(num_in):
    logits, labels, keep = _uneven(num_in)
    score = trained_attack(logits, labels, keep, [0, 4, 8], **VARIANTS["rezaei_nn"])
    assert_chance(score, keep[[0, 4, 8]])


@pytest.mark.parametrize(("num_in", "even"), [(10, True), (2, True), (6, True), (10, False)])
def test_as_many_of_either_kind_are_trained_on_only_where_one_is_rare(num_in, even):
    logits, labels, keep = _uneven(num_in)
    kinds = []

    class Counted(LogisticRegression):
        def fit(self, x, member):
            kinds.append(np.bincount(member, minlength=2))
            return super().fit(x, member)

    for limit in (900, 100_000):
        trained_attack(
            logits,
            labels,
            keep,
            [3],
            features=classifiers.confidences,
            estimator=lambda seed: Counted(),
            even=even,
            limit=limit,
        )
    few, all_pairs = kinds
    rarer = 300 * min(num_in - 1, 11 - num_in)  # without the target and its partner
    if even and num_in != 6:
        assert all_pairs.tolist() == [rarer, rarer]
        assert few.tolist() == [min(450, rarer)] * 2
    else:
        assert all_pairs.tolist() == [300 * (11 - num_in), 300 * (num_in - 1)]
        assert few.sum() == 900


def test_the_caveat_counts_labels_without_a_network_of_their_own():
    labels = np.repeat([0, 1], [10, 100])
    keep = np.arange(8)[:, None] < np.full(110, 4)
    told = trained.caveat(labels, keep, 1)  # 30 and 300 pairs of either kind
    assert told.startswith("1 of 2 classes have fewer than about 50 shadow pairs of either kind")
    assert trained.caveat(labels[10:], keep[:, 10:], 1) == ""
    assert trained.caveat(labels, keep, 1, limit=100).startswith("2 of 2 classes")
    assert trained.caveat(labels, keep, 1, judged=np.array([1])) == ""
    assert trained.caveat(labels, keep, 1, judged=np.array([1, 7])).startswith("1 of 2 classes")
