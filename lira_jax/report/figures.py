"""Static figures, each saved as PNG and PDF."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib

matplotlib.use("Agg")  # no display is needed, or looked for
import matplotlib.pyplot as plt
import numpy as np

from lira_jax.audit.results import PrivacyRisk, QueryRow, ShadowRow, StatisticRow
from lira_jax.evaluation.exposure import densities
from lira_jax.evaluation.summary import CurveRow, Row, Summary
from lira_jax.report import chart_figures, picture, wording
from lira_jax.report.charts import rezaei
from lira_jax.report.charts.roc import familiar
from lira_jax.report.colours import COLOURS, GREY, IN, OUT
from lira_jax.report.material import Material
from lira_jax.runs import layout

SUFFIXES = (".png", ".pdf")


def save(figure: plt.Figure, replacing: Callable, name: str) -> None:
    """Saves a figure as report/NAME.png and .pdf, whole or not at all, and closes it.

    Args:
      replacing: RunDirectory.replacing.
    """
    for suffix in SUFFIXES:
        with replacing(layout.figure(name, suffix)) as path:
            figure.savefig(path, dpi=150, format=suffix[1:], bbox_inches="tight")
    plt.close(figure)


def draw(material: Material) -> dict[str, plt.Figure]:
    """Name -> figure, of what the results hold."""
    with plt.rc_context({"figure.max_open_warning": 0}):  # each is closed once it is saved
        return _draw(material)


def _draw(material: Material) -> dict[str, plt.Figure]:
    results = material.results
    best = wording.headline(results.attacks).attack
    shown = {name: results.attacks[name] for name in familiar(list(results.attacks), best)}
    drawn = {
        "roc": roc(shown, 1 / min(a.num_nonmembers for a in results.attacks.values())),
        "roc_linear": roc_linear(shown),
    }
    exposed = material.exposed
    if exposed is not None:
        x = (
            material.dataset.x
            if material.dataset is not None and material.dataset.is_image
            else None
        )
        drawn["exposure"] = exposure_histograms(
            exposed.phi, exposed.keep, exposed.labels, exposed.exposure, x
        )
        if exposed.sources is not None:
            drawn["exposure_by_source"] = exposure_by_source(
                *densities(exposed.exposure, exposed.sources, exposed.source_names)
            )
    if results.ablation:
        drawn["ablation"] = ablation(results.ablation)
    if results.num_shadows:
        drawn["num_shadows"] = number_of_shadows(results.num_shadows)
        if all(row.roc for row in results.num_shadows):  # not in results of earlier versions
            drawn["num_shadows_roc"] = rocs_by_shadows(results.num_shadows)
    if results.num_queries:
        drawn["num_queries"] = number_of_queries(results.num_queries)
        drawn["num_queries_roc"] = rocs_by_queries(results.num_queries)
    if results.statistics:
        drawn["statistics"] = rocs_by_statistic(results.statistics)
    if results.risk:
        drawn["privacy_risk"] = privacy_risk(results.risk)
    return drawn | chart_figures.draw(rezaei.charts(results, material.class_name))


def roc(curves: Mapping[str, Summary], lowest_fpr: float) -> plt.Figure:
    """Log-log ROC of the attacks (LiRA III-B and figure 2b), with the diagonal of guessing.

    Args:
      curves: attack -> what it finds.
      lowest_fpr: smallest false-positive rate that can be resolved, where the axes begin.
    """
    figure, axes = plt.subplots(figsize=(6.4, 5.2))
    floor = 10 ** np.floor(np.log10(lowest_fpr))
    _rocs(axes, curves, floor)
    axes.set(xscale="log", yscale="log", xlabel="false positive rate", ylabel="true positive rate")
    return figure


def roc_linear(curves: Mapping[str, Summary]) -> plt.Figure:
    """The same on linear axes (LiRA figure 2a)."""
    figure, axes = plt.subplots(figsize=(6.4, 5.2))
    _rocs(axes, curves, 0)
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    return figure


def rocs_by_shadows(rows: Sequence[ShadowRow]) -> plt.Figure:
    """A log-log ROC for each number of shadow models, an attack a panel (LiRA figure 17)."""
    return _panels([(row.attack, f"{row.num_shadows} shadow models", row) for row in rows])


def rocs_by_queries(rows: Sequence[QueryRow]) -> plt.Figure:
    """The same for each number of queries (LiRA table III)."""
    return _panels([(row.attack, f"queries: {row.num_queries}", row) for row in rows])


def rocs_by_statistic(rows: Sequence[StatisticRow]) -> plt.Figure:
    """The same for each statistic (LiRA figure 8)."""
    return _panels([(row.attack, row.statistic, row) for row in rows])


def _panels(rows: Sequence[tuple[str, str, CurveRow]]) -> plt.Figure:
    """Log-log ROC of (attack, variant, row), an attack a panel."""
    attacks = list(dict.fromkeys(attack for attack, _, _ in rows))
    across = min(2, len(attacks))
    down = -(-len(attacks) // across)
    figure, grid = plt.subplots(
        down, across, figsize=(4.8 * across, 4.2 * down), squeeze=False, layout="constrained"
    )
    floor = 10 ** np.floor(np.log10(1 / min(row.num_nonmembers for _, _, row in rows)))
    for axes, attack in zip(grid.ravel(), attacks, strict=False):
        _rocs(axes, {variant: row for name, variant, row in rows if name == attack}, floor)
        axes.set(xscale="log", yscale="log")
        axes.set_title(_plain(attack), fontsize=10)
    for axes in grid.ravel()[len(attacks) :]:
        axes.axis("off")
    figure.supxlabel("false positive rate", fontsize=10)
    figure.supylabel("true positive rate", fontsize=10)
    return figure


def _rocs(axes, curves: Mapping[str, Summary | CurveRow], floor: float) -> None:
    """Curves from a rate to 1 on both axes, with the diagonal of guessing."""
    axes.plot([floor, 1], [floor, 1], color="grey", linestyle=":", label="guessing")
    for i, (name, found) in enumerate(curves.items()):
        assert found.roc is not None, "those without are not drawn"
        style = ("-", "--", "-.")[i // len(COLOURS) % 3]
        axes.plot(
            found.roc.fpr,
            found.roc.tpr,
            drawstyle="steps-post" if floor else "default",  # linear, steps are seen between points
            color=COLOURS[i % len(COLOURS)],
            linestyle=style,
            linewidth=1.4,
            label=f"{_plain(name)} (AUC {found.metrics['auc'].value:.3f})",
        )
    axes.set(xlim=(floor, 1), ylim=(floor, 1))
    axes.grid(which="major", alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")


def exposure_histograms(
    phi: np.ndarray,
    keep: np.ndarray,
    labels: np.ndarray,
    exposure: np.ndarray,
    x: np.ndarray | None,
    shown: int = 4,
) -> plt.Figure:
    """Histograms of phi in models that did and did not train on an example.

    Top row: the most exposed examples; bottom row: the least exposed; each with the fitted
      Gaussians.

    Args:
      phi: [models, examples], the plain query.
      keep: bool [models, examples].
      labels: int [examples].
      exposure: [examples], as evaluation.exposure gives it; examples without one are not shown.
      x: [examples, H, W, C] to draw the image in the corner, or None.
      shown: examples a row.
    """
    known = np.count_nonzero(~np.isnan(exposure))  # NaN sorts last
    order = np.argsort(-exposure, kind="stable")[:known]
    shown = min(shown, len(order) // 2)
    black_white = None if x is None else picture.value_range(x)
    figure, axes = plt.subplots(
        2, shown, figsize=(3 * shown, 5), squeeze=False, layout="constrained"
    )
    for row, (what, examples) in enumerate((("most", order[:shown]), ("least", order[-shown:]))):
        for axis, i in zip(axes[row], examples, strict=True):
            _in_out(axis, phi[keep[:, i], i], phi[~keep[:, i], i])
            axis.set_title(
                f"{what} exposed: example {i}, label {labels[i]}\nexposure {exposure[i]:.2f}",
                fontsize=8,
            )
            if x is not None and black_white is not None:
                corner = axis.inset_axes([0.02, 0.68, 0.3, 0.3])
                corner.imshow(picture.thumbnail(x[i], black_white), cmap="gray", vmin=0, vmax=255)
                corner.axis("off")
    axes[0, 0].legend(fontsize=7, loc="upper right")
    figure.supxlabel("phi, the scaled logit", fontsize=9)
    return figure


def exposure_by_source(edges: np.ndarray, densities: Mapping[str, np.ndarray]) -> plt.Figure:
    """Histograms of the exposure of the pool and of each kind of outliers (LiRA figure 13).

    Args:
      edges: of the bins, [bins + 1].
      densities: source -> density in each bin, [bins].
    """
    figure, axes = plt.subplots(figsize=(6.0, 3.6), layout="constrained")
    for i, (name, density) in enumerate(densities.items()):
        colour = COLOURS[i % len(COLOURS)]
        axes.stairs(density, edges, fill=True, alpha=0.2, color=colour)
        axes.stairs(density, edges, label=_plain(name), linewidth=1.4, color=colour)
    axes.set(xlabel="exposure", ylabel="density", xlim=(0, edges[-1]))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def ablation(rows: Sequence[Row]) -> plt.Figure:
    """What each component of LiRA adds, as bars on a log axis with 95 % intervals (LiRA table II).

    Args:
      rows: in order; a TPR that is not known is left out.
    """
    named = {"tpr_at_1e-2": "TPR at 1 % FPR", "tpr_at_1e-3": "TPR at 0.1 % FPR"}
    shown = {m: title for m, title in named.items() if any(r.metrics[m].is_known for r in rows)}
    figure, axes = plt.subplots(figsize=(6.8, 0.36 * len(rows) + 1.2), layout="constrained")
    values = [row.metrics[m].value for m in shown for row in rows]
    lowest = min((v for v in values if v > 0), default=1e-3)
    places = np.arange(len(rows), dtype=np.float64)
    for k, (name, title) in enumerate(shown.items()):
        known = [
            (place, row.metrics[name])
            for place, row in zip(places, rows, strict=True)
            if row.metrics[name].is_known
        ]
        reached = np.array([e.value for _, e in known])
        errors = np.array([[e.value - e.low, e.high - e.value] for _, e in known]).T
        axes.barh(
            [place + 0.36 * k - 0.18 for place, _ in known],
            reached,
            0.34,
            color=COLOURS[k],
            label=title,
            xerr=np.maximum(errors, 0),
            ecolor=GREY,
        )
    axes.set(xscale="log", xlim=(lowest / 2, 1), xlabel="true positive rate", yticks=places)
    axes.set_yticklabels([_plain(row.attack) for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def number_of_shadows(rows: Sequence[ShadowRow]) -> plt.Figure:
    """TPR against the number of shadow models, with 95 % intervals (LiRA figure 9)."""
    return _growth(rows, [row.num_shadows for row in rows], "shadow models")


def number_of_queries(rows: Sequence[QueryRow]) -> plt.Figure:
    """TPR against the number of queries, with 95 % intervals (LiRA table III)."""
    return _growth(rows, [row.num_queries for row in rows], "queries")


def _growth(rows: Sequence[Row], numbers: Sequence[int], unit: str) -> plt.Figure:
    """TPR against a number of something, that of each row; a curve an attack."""
    resolved = any(row.metrics["tpr_at_1e-3"].is_known for row in rows)
    name = "tpr_at_1e-3" if resolved else "tpr_at_1e-2"
    figure, axes = plt.subplots(figsize=(6.0, 4.2), layout="constrained")
    for k, attack in enumerate(dict.fromkeys(row.attack for row in rows)):
        own = [
            (number, row.metrics[name])
            for number, row in zip(numbers, rows, strict=True)
            if row.attack == attack and row.metrics[name].is_known
        ]
        values, lows, highs = (
            np.array([getattr(estimate, end) for _, estimate in own])
            for end in ("value", "low", "high")
        )
        axes.errorbar(
            [number for number, _ in own],
            values,
            np.maximum([values - lows, highs - values], 0),
            color=COLOURS[k % len(COLOURS)],
            marker="osD^"[k % 4],
            capsize=2,
            label=_plain(attack),
        )
    counts = sorted(set(numbers))
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set(xlabel=unit, ylabel=f"TPR at {'0.1' if name.endswith('3') else '1'} % FPR")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def privacy_risk(found: PrivacyRisk) -> plt.Figure:
    """Members' privacy risk, and its calibration (Song and Mittal 2021, figures 1 and 3)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
    left.plot(found.cumulative.risk, found.cumulative.fraction, color=IN)
    left.set(
        xlabel="privacy risk score",
        ylabel="members with at most this risk",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    pairs = np.array([found.calibration.predicted, found.calibration.actual]).T
    pairs = pairs[~np.isnan(pairs).any(1)]
    right.plot([0, 1], [0, 1], color="grey", linestyle=":")
    right.plot(pairs[:, 0], pairs[:, 1], color=OUT, marker="o")
    right.set(
        xlabel="privacy risk score", ylabel="fraction that are members", xlim=(0, 1), ylim=(0, 1.02)
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return figure


def _plain(name: str) -> str:
    """A name as matplotlib takes it: it reads what is between two $ as a formula."""
    return name.replace("$", r"\$")


def _in_out(axis, inside: np.ndarray, outside: np.ndarray) -> None:
    edges = np.histogram_bin_edges(np.concatenate([inside, outside]), bins=20)
    line = np.linspace(edges[0], edges[-1], 200)
    for values, colour, label in ((inside, IN, "in"), (outside, OUT, "out")):
        axis.hist(values, bins=edges, density=True, alpha=0.5, color=colour, label=label)
        spread = max(values.std(), 1e-6)
        axis.plot(
            line,
            np.exp(-0.5 * ((line - values.mean()) / spread) ** 2) / spread / np.sqrt(2 * np.pi),
            color=colour,
        )
    axis.set_yticks([])
