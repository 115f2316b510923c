"""Figures of a grid of recipes: what stands in them is what the cells hold."""

import numpy as np
import pytest

from lira_jax.audit.results import Accuracy
from lira_jax.evaluation.summary import evaluate
from lira_jax.report import mismatch, wording

NAMES = ["none", "mirror", "adam"]


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    members = rng.random((2, 800)) < 0.5
    return {
        (t, s): evaluate(rng.normal(size=members.shape) + (1 + (t == s)) * members, members)
        for t in NAMES
        for s in NAMES
    }


def test_a_heat_map_has_targets_in_rows_and_shadows_in_columns(cells):
    drawn = mismatch.heat_map(cells, NAMES, "tpr_at_1e-2").axes[0]
    values = drawn.images[0].get_array()
    for row, target in enumerate(NAMES):
        for column, shadow in enumerate(NAMES):
            assert values[row, column] == cells[target, shadow].metrics["tpr_at_1e-2"].value
    expected = [
        wording.cell("tpr_at_1e-2", c.metrics["tpr_at_1e-2"])["text"] for c in cells.values()
    ]
    assert [text.get_text() for text in drawn.texts] == expected
    assert [tick.get_text() for tick in drawn.get_xticklabels()] == NAMES
    assert "shadow" in drawn.get_xlabel()


def test_a_cell_that_cannot_know_its_metric_has_a_dash(cells):
    metric = "tpr_at_1e-5"  # 800 non-members cannot resolve it
    drawn = mismatch.heat_map(cells, NAMES, metric).axes[0]
    assert {text.get_text() for text in drawn.texts} == {"–"}


def test_each_recipe_of_targets_has_a_roc_of_all_shadows(cells):
    axes = mismatch.rocs(cells, NAMES).axes
    assert len(axes) == 4  # two rows of two, the last one empty
    for axis, target in zip(axes, NAMES, strict=False):
        assert axis.get_title() == f"targets: {target}"
        curves = dict(zip(NAMES, axis.lines[1:], strict=True))
        for shadow, line in curves.items():
            np.testing.assert_array_equal(line.get_xdata(), cells[target, shadow].roc.fpr)
            area = cells[target, shadow].metrics["auc"].value
            assert line.get_label() == f"{shadow} (AUC {area:.3f})"


def test_leakage_stands_against_the_gap_of_the_targets(cells):
    accuracy = {n: Accuracy((1.0, 0.9), (0.8 - i / 10, 0.7)) for i, n in enumerate(NAMES)}
    drawn = mismatch.vulnerability(cells, accuracy, NAMES, "auc").axes[0]
    points = [bar.lines[0].get_xydata()[0] for bar in drawn.containers]
    expected = [(0.2 + i / 20, cells[n, n].metrics["auc"].value) for i, n in enumerate(NAMES)]
    np.testing.assert_allclose(points, expected)
