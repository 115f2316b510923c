import numpy as np
import pytest
from scipy import special

from lira_jax.evaluation.confidence_shapes import confidence_shapes

RNG = np.random.default_rng(0)
TARGETS, EXAMPLES = 3, 200


def evidence(classes):
    labels = RNG.integers(0, classes, EXAMPLES)
    logits = RNG.normal(0, 2, (TARGETS, EXAMPLES, classes))
    logits[:, np.arange(EXAMPLES), labels] += 1
    return logits.astype(np.float32), labels, RNG.random((TARGETS, EXAMPLES)) < 0.5


@pytest.mark.parametrize(("classes", "drawn"), [(5, 3), (2, 1)])
def test_both_are_those_of_a_loop_over_the_pairs(classes, drawn):
    logits, labels, members = evidence(classes)
    found = confidence_shapes(logits, labels, members)
    assert (found.vector_class, found.histogram_class) == (0, drawn)
    pairs = {}
    for t in range(TARGETS):
        for i in range(EXAMPLES):
            p = special.softmax(logits[t, i].astype(float))
            right = "correct" if p.argmax() == labels[i] else "misclassified"
            for group in ("all", right):
                who = "members" if members[t, i] else "nonmembers"
                pairs.setdefault((group, who, labels[i]), []).append(p)
    for group in ("all", "correct", "misclassified"):
        for who in ("members", "nonmembers"):
            np.testing.assert_allclose(
                getattr(found.vectors[group], who), np.mean(pairs[group, who, 0], axis=0)
            )
            own = [p[drawn] for p in pairs[group, who, drawn]]
            counts = np.histogram(own, np.array(found.edges))[0]
            np.testing.assert_allclose(getattr(found.histograms[group], who), counts / len(own))


def test_a_group_without_pairs_has_no_numbers():
    logits, labels, members = evidence(4)
    logits[:, np.arange(EXAMPLES), labels] += 50
    found = confidence_shapes(logits, labels, members)
    assert np.isnan(found.vectors["misclassified"].members).all()
    assert np.isnan(found.histograms["misclassified"].nonmembers).all()
    assert sum(found.histograms["correct"].members) == pytest.approx(1)
