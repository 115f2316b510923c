"""Figures of a grid of recipes, the targets of each attacked with the shadow models of each.

Carlini et al. 2022, Membership Inference Attacks From First Principles
(https://arxiv.org/abs/2112.03570), section VI-E, figures 11 and 22 to 24; and, of the targets that
are attacked with their own recipe, figures 7 and 16.
"""

import math
from collections.abc import Mapping, Sequence

import matplotlib

matplotlib.use("Agg")  # no display is needed, or looked for
import matplotlib.pyplot as plt
import numpy as np

from lira_jax.audit.results import Accuracy
from lira_jax.evaluation.summary import Summary
from lira_jax.report import wording
from lira_jax.report.colours import COLOURS, GREY

Cells = Mapping[tuple[str, str], Summary]
"""(recipe of the targets, recipe of the shadow models) -> what one attack finds."""


def heat_map(cells: Cells, names: Sequence[str], metric: str) -> plt.Figure:
    """A metric of each cell, targets in rows and shadow models in columns.

    Args:
      cells: of all pairs of names.
      names: of the recipes, in order.
      metric: such as tpr_at_1e-3; a cell that cannot know it has a dash.
    """
    values = np.array([[cells[t, s].metrics[metric].value for s in names] for t in names])
    size = 1.1 * len(names) + 2.4
    figure, axes = plt.subplots(figsize=(size, 0.8 * size), layout="constrained")
    lowest = 0.5 if metric in ("auc", "balanced_accuracy") else 0
    drawn = axes.imshow(values, cmap="viridis", vmin=lowest)
    middle = (lowest + np.nanmax(values)) / 2 if np.isfinite(values).any() else 0
    for row, column in np.ndindex(values.shape):
        found = cells[names[row], names[column]].metrics[metric]
        axes.text(
            column,
            row,
            wording.cell(metric, found)["text"],
            ha="center",
            va="center",
            fontsize=9,
            color="white" if not found.is_known or found.value < middle else "black",
        )
    axes.set(
        xlabel="recipe of the shadow models",
        ylabel="recipe of the targets",
        title=wording.COLUMN[metric],
    )
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    figure.colorbar(drawn, shrink=0.8)
    return figure


def rocs(cells: Cells, names: Sequence[str]) -> plt.Figure:
    """Log-log ROC of each recipe's targets on axes of their own, a curve a recipe of the shadows.

    Args:
      cells: of all pairs of names.
      names: of the recipes, in order.
    """
    columns = math.ceil(math.sqrt(len(names)))
    rows = math.ceil(len(names) / columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(4.2 * columns, 3.8 * rows),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    floor = 10 ** np.floor(np.log10(1 / min(c.num_nonmembers for c in cells.values())))
    for axis, target in zip(axes.flat, names, strict=False):
        axis.plot([floor, 1], [floor, 1], color=GREY, linestyle=":")
        for i, shadow in enumerate(names):
            found = cells[target, shadow]
            axis.step(
                found.roc.fpr,
                found.roc.tpr,
                where="post",
                color=COLOURS[i % len(COLOURS)],
                linestyle=("-", "--", "-.")[i // len(COLOURS) % 3],
                linewidth=2 if shadow == target else 1.2,
                label=f"{shadow} (AUC {found.metrics['auc'].value:.3f})",
            )
        axis.set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor, 1))
        axis.set_title(f"targets: {target}", fontsize=10)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="lower right", title="shadow models", title_fontsize=7)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    figure.supxlabel("false positive rate", fontsize=10)
    figure.supylabel("true positive rate", fontsize=10)
    return figure


def vulnerability(
    cells: Cells, accuracy: Mapping[str, Accuracy], names: Sequence[str], metric: str
) -> plt.Figure:
    """The metric of targets that are attacked with their own recipe, against their accuracy gap.

    Args:
      cells: of at least the pairs of one name.
      accuracy: name -> of the targets.
      names: of the recipes, in order; a point each.
      metric: such as tpr_at_1e-3.
    """
    figure, axes = plt.subplots(figsize=(6.0, 4.2), layout="constrained")
    for i, name in enumerate(names):
        own, found = accuracy[name], cells[name, name].metrics[metric]
        gap = float(np.nanmean(own.members) - np.nanmean(own.nonmembers))
        ends = [[max(found.value - found.low, 0)], [max(found.high - found.value, 0)]]
        axes.errorbar(
            [gap],
            [found.value],
            ends if found.has_interval else None,
            color=COLOURS[i % len(COLOURS)],
            marker="osD^"[i % 4],
            capsize=2,
            label=name,
        )
    axes.set(
        xlabel="accuracy on members less that on non-members",
        ylabel=wording.COLUMN[metric],
    )
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure
