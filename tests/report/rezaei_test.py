"""The tables of Rezaei and Liu of a run whose figures are known."""

import dataclasses

import numpy as np
import pytest

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.audit import known_membership, known_ways
from lira_jax.errors import UserError
from lira_jax.evaluation.groups import GroupDecisions
from lira_jax.report import rezaei

SIGNALS = ["logits", "layers", "boundary_distance", "gradient_norms_w", "gradient_norms_x"]


def nearest(features, members):
    """Who is nearest to a member is one; confidences tell, and no line between them does."""

    def score(own):
        far = np.linalg.norm(own[:, None] - features, axis=-1)
        return members[far.argmin(1)].astype(float)

    return score


@pytest.fixture(scope="module")
def found():
    """One target that is right on all but every fifth example, and members are told by all signals
    but the distances, which are all alike."""
    rng, n = np.random.default_rng(0), 600
    labels, keep = np.arange(n) % 2, rng.random((1, n)) < 0.5
    right = np.arange(n) % 5 > 0
    sure = np.where(keep[0], 4.0, 1.0) * np.where(right, 1, -1)
    logits = np.stack([np.zeros(n), sure], -1)
    logits[labels == 0] *= -1
    told = np.where(keep[0], 1.0, -1.0)[:, None] + np.zeros(7)
    signals = {
        "logits": logits[None],
        "layers": told[None],
        "layer=-2": -told[None],
        "boundary_distance": np.where(np.arange(n) % 7, 2.0, np.nan)[None],
        "gradient_norms_w": told[None],
        "gradient_norms_x": told[None],
    }
    evidence = Evidence.of_arrays(labels, keep, Inside(np.array([0])), **signals)
    names = rezaei.ways(range(1, 8), evidence.signals.saved)
    asked = known_ways.ways(names, evidence.signals.saved)
    return known_membership.run(evidence, asked, nearest, 0.8)


def test_each_table_has_its_columns_in_every_row_ours_first(found):
    tables = rezaei.tables(found, range(1, 8), "runs/mine")
    assert [table.title.split(":")[0] for table in tables] == [f"Table {n}" for n in range(1, 8)]
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.rows[0][0].startswith("runs/mine")
    published = [row for table in tables for row in table.rows if "published" in row[0]]
    assert len(published) == 3 + 3 + 9 + 7 + 7 + 9


def test_the_figures_are_those_of_the_target(found):
    of = {n: rezaei.tables(found, [n], "mine")[0] for n in range(1, 8)}
    assert of[1].rows[0] == ["mine", *(5 * ["100.00"]), "0.00"]
    assert of[2].rows[0] == ["mine, 5:1", *(5 * ["100.00"]), "0.00"]
    assert of[2].rows[4][1:] == ["50.00", "100.00", "0.00", "0.00", "50.00", "100.00"]
    train, test, attack, naive = map(float, of[3].rows[0][1:])
    assert attack == 100
    assert naive == pytest.approx((100 + train - test) / 2, abs=0.5)  # the mean over classes
    inside, outside = 100 / (1 + np.exp(-4)), 100 / (1 + np.exp(-1))
    *_, of_members, of_others = map(float, of[4].rows[0][1:])
    assert (of_members, of_others) == pytest.approx((inside, outside), abs=0.01)
    assert [row[0] for row in of[5].rows[:2]] == ["mine, -1", "mine, -2"]
    assert of[5].rows[0][1:3] == of[5].rows[1][1:3] == ["100.00", "0.00"]
    assert [row[0] for row in of[6].rows] == ["mine, all", "mine, correct", "mine, misclassified"]
    assert [row[1:3] for row in of[6].rows] == 3 * [["2.000", "2.000"]]
    assert of[6].rows[1][3].startswith("50.00 [")
    assert of[7].rows[0] == ["mine", *(4 * ["100.00 [100.0, 100.0]"])]


def test_the_interval_is_students_over_classes():
    figures = GroupDecisions(0.5, 0.5, 4, 0.6, 0.1, 0.5, 0.1)
    assert figures.class_balanced_accuracy_margin == pytest.approx(3.182 * 0.1 / 2, rel=1e-3)
    alone = dataclasses.replace(figures, num_classes=1, class_balanced_accuracy_sd=np.nan)
    assert np.isnan(alone.class_balanced_accuracy_margin)


def test_which_tables_are_asked_for():
    assert rezaei.parse("") == []
    assert rezaei.parse("rezaei") == [1, 2, 3, 4, 5, 6, 7]
    assert rezaei.parse("rezaei:4") == [4]
    for wrong in ("rezaei:8", "rezaei:", "lira", "rezaei:4,5"):
        with pytest.raises(UserError, match="--tables="):
            rezaei.parse(wrong)


def test_a_table_alone_whose_signal_is_not_saved_is_refused_with_the_command():
    said = "lira-score --signals=phi,gradient_norms_w,gradient_norms_x"
    with pytest.raises(UserError, match=said):
        rezaei.ways([7], ["phi", "gradient_norms_w"])
    assert rezaei.ways([1, 2, 3, 4], ["phi", "logits"]) == ["softmax"]
    assert rezaei.ways(range(1, 8), SIGNALS) == ["softmax", *SIGNALS[1:]]
