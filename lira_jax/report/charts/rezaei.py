"""The charts of Rezaei and Liu 2021 by the names that they have on the page."""

from collections.abc import Callable

from lira_jax.audit.results import Results
from lira_jax.evaluation.groups import GROUPS
from lira_jax.report.charts import epochs
from lira_jax.report.charts.chart import Chart
from lira_jax.report.charts.confidence import histogram, mean_vectors


def charts(results: Results, class_name: Callable[[int], str]) -> dict[str, Chart]:
    """Confidences of a class (figures 1 and 2) and the epochs of training (3 to 8), if known.

    Args:
      class_name: (label) -> its name.
    """
    drawn = {}
    if shapes := results.confidence_shapes:
        names = [class_name(k) for k in range(len(shapes.vectors["all"].members))]
        for group in ("correct", "misclassified"):
            drawn[f"vectors-{group}"] = mean_vectors(shapes, group, names)
        for group in GROUPS:
            drawn[f"confidence-{group}"] = histogram(shapes, group)
    return drawn | (epochs.charts(results.epochs) if results.epochs else {})
