"""Results as text for a terminal."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from lira_jax.audit.results import ProbeResults, Results
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.exposure import SourceExposure
from lira_jax.report import details, epochs, table_one, wording

_SHOWN = {
    "auc": "AUC",
    "balanced_accuracy": "bal. acc.",
    "tpr_at_1e-2": "TPR@1%",
    "tpr_at_1e-3": "TPR@0.1%",
    "tpr_at_1e-4": "TPR@0.01%",
}
_WHERE_KNOWN = {"tpr_at_1e-5": "TPR@0.001%"}
"""Shown where it is known of a row; fewer than 100,000 non-members cannot tell it."""


WIDTH = 100
"""Columns of the short table and of sentences."""

RECOMMENDED = (
    *("lira_online", "lira_online_fixed", "lira_moderated"),
    *("lira_offline", "lira_offline_fixed", "lira_offline_predicted"),
    *("rmia_online", "rmia_offline", "base_online", "attack_r"),
    *("class_modified_entropy", "loss"),
    *("min_k", "wbc", "rmia_online+gamma=1", "rmia_offline+gamma=1+a=1"),
)
"""The dozen, and four more of text, that the short table shows of many: the answer's attack, those
that docs/attacks.md recommends beside it, and of each other kind one that is often reported."""


def in_short(results: Results) -> list[str]:
    """The attacks that a short table shows: RECOMMENDED, or all where there are no more."""
    if len(results.attacks) <= len(RECOMMENDED):
        return list(results.attacks)
    return [name for name in RECOMMENDED if name in results.attacks] or list(results.attacks)


def parts(
    results: Results, more: bool = False, short: Sequence[str] | None = None
) -> dict[str, str]:
    """Title -> text of each part of the results that is known, in the order of an audit.

    The first, all attacks, has an empty title.

    Args:
      results: what is known.
      more: also how each attack decides, errs and agrees.
      short: attacks of a table of WIDTH columns, without what stands in another table; None for all
        and everything.
    """
    found = {"": _attacks(results) if short is None else _short(results, short)}
    further = [*details.of_attacks(results), *table_one.table_one(results)] if more else []
    calibrated = details.calibrated(results)
    if short is not None and not more:
        calibrated = calibrated[1:]  # accusations, which somebody has asked for
    for table in calibrated + further:
        found[table.title] = of_table(table)
    if results.exposure_by_source:
        found["Exposure by source (Carlini et al. 2022, VII-B)"] = _exposure(
            results.exposure_by_source
        )
    if results.probes:
        found["False positives on probes, percent (Hintersdorf et al. 2022)"] = _false_positives(
            results.probes
        )
        found |= {table.title: of_table(table) for table in details.of_probes(results.probes)}
    if results.ablation:
        found["What each component of LiRA adds (Carlini et al. 2022, table II)"] = _metrics(
            (row.attack, row.metrics) for row in results.ablation
        )
    if results.num_shadows:
        found["With fewer shadow models (Carlini et al. 2022, figures 9 and 17)"] = _metrics(
            (f"{row.num_shadows:4d} {row.attack}", row.metrics) for row in results.num_shadows
        )
    if results.num_queries:
        found["With fewer queries (Carlini et al. 2022, table III)"] = _metrics(
            (f"{row.num_queries:4d} {row.attack}", row.metrics) for row in results.num_queries
        )
    found |= {table.title: of_table(table) for table in epochs.tables(results)}
    if results.statistics:
        found["On statistics of the plain query (Carlini et al. 2022, figure 8)"] = _metrics(
            (f"{row.attack}@{row.statistic}", row.metrics) for row in results.statistics
        )
    return found


def of_table(table: details.Table) -> str:
    text = _grid([list(table.columns), *map(list, table.rows)])
    return f"{text}\n{table.note}" if table.note else text


def _short(results: Results, names: Sequence[str]) -> str:
    """The table of some attacks, what the rest is, and how the attack of the answer was chosen."""
    shown = {m: head for m, head in _SHOWN.items() if m in ("auc", "tpr_at_1e-2", "tpr_at_1e-3")}
    rows = [["attack", *shown.values(), "calib.@1%"]]
    for name in names:
        own = results.calibration_of(name)
        rates = own and own.at["1e-2"]
        calibrated = f"{100 * rates.tpr.value:.2f}" if rates and rates.tpr.is_known else "-"
        found = results.attacks[name].metrics
        rows.append([name, *(_cell(m, found[m], digits=3) for m in shown), calibrated])
    said = ["AUC, and TPR in percent, with 95 % intervals."]
    if any(row[-1] != "-" for row in rows[1:]):
        said.append("calib.: a test of each example at 1 %, of what the attack judges by.")
    if left := len(results.attacks) - len(names):
        said.append(f"{left} more attacks, and more of each: --verbose, results.csv or the page.")
    choice = wording.headline(results.attacks).choice.replace(wording.PERCENT, " %")
    return "\n".join([_grid(rows), *(textwrap.fill(s, WIDTH) for s in (" ".join(said), choice))])


def _attacks(results: Results) -> str:
    """The table of all attacks, and what a reader of it must know."""
    shown = _columns(found.metrics for found in results.attacks.values())
    rows = [["attack", *shown.values(), "calibrated@1% (FPR)"]]
    for name, found in results.attacks.items():
        own = results.calibration_of(name)
        rates = own and own.at["1e-2"]
        calibrated = f"{_cell('tpr', rates.tpr)} ({details.percent(rates.fpr)})" if rates else "-"
        rows.append([name, *_row(found.metrics, shown), calibrated])
    lines = [_grid(rows)]
    if results.calibrated:
        lines.append(
            "calibrated: a test, at 1 % for each example, of the statistic that the attack judges "
            "by; it is the same for all attacks on one"
        )
    lines.append(wording.headline(results.attacks).choice.replace(wording.PERCENT, " %"))
    return "\n".join(lines)


def _metrics(rows: Iterable[tuple[str, Mapping[str, Estimate]]]) -> str:
    """Metrics with their 95 % intervals; percent but for the AUC."""
    rows = list(rows)
    shown = _columns(found for _, found in rows)
    return _grid(
        [["attack", *shown.values()], *([name, *_row(found, shown)] for name, found in rows)]
    )


def _columns(rows: Iterable[Mapping[str, Estimate]]) -> dict[str, str]:
    """Metric -> the heading of its column, of those that a table of these rows has."""
    rows = list(rows)
    further = {m: head for m, head in _WHERE_KNOWN.items() if any(r[m].is_known for r in rows)}
    return _SHOWN | further


def _row(metrics: Mapping[str, Estimate], shown: Iterable[str]) -> list[str]:
    return [_cell(metric, metrics[metric]) for metric in shown]


def _false_positives(probes: Mapping[str, ProbeResults]) -> str:
    """A row a set of probes, a column an attack; rates in percent."""
    attacks = list(dict.fromkeys(name for p in probes.values() for name in p.false_positive_rate))
    rows = [["probes", "max. score", *attacks]]
    for name, found in probes.items():
        rates = [found.false_positive_rate.get(attack) for attack in attacks]
        shown = ["-" if rate is None else f"{100 * rate.value:.1f}" for rate in rates]
        rows.append([name, f"{found.maximum_score:.3f}", *shown])
    return _grid(rows)


def _exposure(sources: Mapping[str, SourceExposure]) -> str:
    """A row a source."""
    rows = [["source", "examples", "lower quartile", "median", "upper quartile"]]
    for name, s in sources.items():
        quartiles = (s.lower_quartile, s.median, s.upper_quartile)
        rows.append([name, str(s.num_examples), *(f"{q:.3f}" for q in quartiles)])
    return _grid(rows)


def _grid(rows: list[list[str]]) -> str:
    """Columns of equal width, a rule under the first row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cell(metric: str, e: Estimate, digits: int = 4) -> str:
    if not e.is_known:
        return "-"
    if metric == "auc":
        return f"{e.value:.{digits}f} [{e.low:.{digits}f}, {e.high:.{digits}f}]"
    return f"{100 * e.value:.2f} [{100 * e.low:.2f}, {100 * e.high:.2f}]"
