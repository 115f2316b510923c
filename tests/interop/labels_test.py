"""Labels of another tool's examples; tests/interop/read_test.py has them in whole directories."""

import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.interop import labels as labels_lib
from lira_jax.interop.arrays import phi_from_logits
from lira_jax.interop.layouts import Outputs

N, K = 80, 10
LABELS = np.random.default_rng(0).integers(0, K, N)


def outputs(seed, labels=LABELS):
    logits = np.random.default_rng(seed).normal(0, 3, (N, 2, K)).astype(np.float32)
    return Outputs(phi_from_logits(logits, labels), logits)


def test_labels_are_told_for_some_of_the_examples():
    some = np.array([3, 70, 5])
    np.testing.assert_array_equal(labels_lib.told([outputs(1), outputs(2)], some), LABELS[some])
    np.testing.assert_array_equal(labels_lib.told([outputs(1), outputs(2)]), LABELS)


def test_labels_are_told_of_a_thousand_classes_by_more_than_one_model():
    labels = np.random.default_rng(1).integers(0, 1000, N)
    logits = np.random.default_rng(2).normal(0, 3, (4, N, 1, 1000)).astype(np.float32)
    models = [Outputs(phi_from_logits(z, labels), z) for z in logits]
    assert labels_lib.told(models[:1]) is None  # some class is within the tolerance by chance
    np.testing.assert_array_equal(labels_lib.told(models), labels)


def test_scores_or_logits_alone_tell_nothing():
    both = outputs(1)
    assert labels_lib.told([Outputs(both.scores, None)]) is None
    assert labels_lib.told([Outputs(None, both.logits)]) is None


def test_disagreement_is_counted_by_example():
    other = LABELS.copy()
    other[[4, 9]] = (other[[4, 9]] + 1) % K
    np.testing.assert_array_equal(np.flatnonzero(labels_lib.disagree(outputs(1), other)), [4, 9])
    assert not labels_lib.disagree(outputs(1), LABELS).any()


def test_only_labels_that_can_be_told_contradict(tmp_path):
    wrong = np.zeros(N, bool)
    models = [outputs(1), outputs(2)]
    labels_lib.refuse_contradiction(tmp_path, LABELS, wrong, models)
    wrong[7] = True
    strange = [Outputs(m.scores + 1, m.logits) for m in models]  # of another formula
    labels_lib.refuse_contradiction(tmp_path, LABELS, wrong, strange)
    with pytest.raises(UserError, match=f"on 1 of {N} examples: example 7 has label"):
        labels_lib.refuse_contradiction(tmp_path, LABELS, wrong, models)
