"""The page of one run: a single HTML file that opens from disk."""

import dataclasses
import datetime
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import markupsafe
import numpy as np
from plotly.offline import get_plotlyjs

import lira_jax
from lira_jax.attacks.options import SEPARATOR
from lira_jax.attacks.papers import links
from lira_jax.audit.results import Results
from lira_jax.evaluation.calibration import Calibration
from lira_jax.evaluation.confidence_shapes import ConfidenceShapes
from lira_jax.evaluation.exposure import densities
from lira_jax.evaluation.roc import TPR_AT
from lira_jax.evaluation.summary import CurveRow, Row
from lira_jax.experiment import FIELDS
from lira_jax.report import (
    details,
    epochs,
    gallery,
    in_short,
    quadrants,
    sections,
    table_one,
    wording,
)
from lira_jax.report.charts import rezaei, variants
from lira_jax.report.charts.chart import Chart
from lira_jax.report.charts.leakage import query_curve, shadow_curve
from lira_jax.report.charts.models import (
    MOST_BOXES,
    accuracy,
    class_exposure,
    source_exposure,
)
from lira_jax.report.charts.risk import risk_calibration, risk_distribution
from lira_jax.report.charts.roc import familiar, linear, roc, styles
from lira_jax.report.material import Material

# SVG has no names for plotly's dashes.
_DASHES = {"solid": "none", "dash": "8 5", "dot": "2 3", "dashdot": "8 3 2 3", "longdash": "13 4"}
_OWN = re.compile("--model=.*:").match  # code, which lira-score must be given too
_FILES = jinja2.PackageLoader("lira_jax.report")
_TEMPLATES = jinja2.Environment(
    loader=_FILES,
    autoescape=True,
    trim_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def _breakable(name: str) -> markupsafe.Markup:
    """A name that can be broken after an underscore, and before an option."""
    escaped = markupsafe.escape(name).replace("_", markupsafe.Markup("_<wbr>"))
    return escaped.replace(SEPARATOR, markupsafe.Markup("<wbr>") + SEPARATOR)


_TEMPLATES.filters["breakable"] = _breakable


def render(material: Material, summaries: dict[str, tuple[str, str]]) -> str:
    """The page.

    Args:
      material: the run.
      summaries: attack -> (what it does, source).
    """
    attacks = material.results.attacks
    headline = wording.headline(attacks)
    answer = attacks[headline.attack]
    shown = familiar(list(attacks), headline.attack)
    style = styles(list(attacks), shown)
    groups = sections.accuracies(material)
    risk = material.results.risk
    cards = gallery.cards(material)
    varied = _variants(material.results)
    return fill(
        "page.html",
        _charts(material, style, shown, groups) | _variant_charts(varied),
        name=material.name,
        headline=headline,
        attacks=attacks,
        answer=answer,
        short=in_short.in_short(
            attacks,
            headline,
            {name: float(np.mean(group)) for name, group in groups.items()},
            len(material.results.models),
        ),
        guessing=f"{100 * TPR_AT[headline.metric]:g} %"
        if headline.leaks and headline.metric in TPR_AT
        else "",
        tiles=_tiles(material, headline, groups),
        curves=curves(style, shown),
        attack_table=sections.attack_table(material.results),
        table_one=table_one.table_one(material.results),
        calibrated=details.calibrated(material.results),
        details=details.of_attacks(material.results),
        pool_spread_factor=_pool_spread_factor(material.results.pool_spread_factor),
        summaries=[
            (name, summaries[name][0], links(summaries[name][1]))
            for name in attacks
            if name in summaries
        ],
        unscored=any(found.num_unscored for found in attacks.values()),
        accuracy_table=sections.accuracy_table(groups),
        perplexity_table=sections.perplexity_table(material),
        gap=sections.generalisation(groups),
        calibration=_calibration(material.results.calibration),
        cards=cards,
        quadrants=quadrants.quadrants(material),
        exposed=_exposed(material),
        sources=sections.source_table(material.results.exposure_by_source),
        probes=sections.probe_table(material.results.probes),
        probe_scores=details.of_probes(material.results.probes),
        class_table=sections.class_table(material, headline.attack),
        most_boxes=MOST_BOXES,
        split=sections.split_table({name: attacks[name] for name in shown}),
        split_all=sections.split_table(attacks),
        shape_classes=_shape_classes(material),
        epochs=epochs.tables(material.results),
        epochs_attack=material.results.epochs[0].attack if material.results.epochs else "",
        stopped=epochs.stopped(material.results),
        risk=sections.risk_table(risk.precision_recall) if risk else None,
        risk_rmse=f"{risk.calibration.rmse:.3f}"
        if risk and not math.isnan(risk.calibration.rmse)
        else "",
        ablation=sections.ablation_table(material.results.ablation),
        queries=sections.query_table(material.results.num_queries),
        statistics=sections.statistic_table(material.results.statistics),
        variant_curves={
            name: curves(variants.styles(own), variants.first(own)) for name, own in varied.items()
        },
        target_recipe=sections.recipe(material),
        facts=sections.facts(material),
        settings=sections.settings(material),
        commands=commands(material),
        pkeep=f"{100 * material.experiment['pkeep']:g} %"
        if "pkeep" in material.experiment
        else "part",
    )


def fill(template: str, drawn: dict[str, Chart], **values) -> str:
    """A template with all that it needs inside: style, script, plotly and the charts' data."""

    def source(name):
        return _FILES.get_source(_TEMPLATES, name)[0]

    return _TEMPLATES.get_template(template).render(
        charts=drawn,
        style=source("style.css"),
        script=source("page.js"),
        plotly=get_plotlyjs(),
        version=lira_jax.__version__,
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **values,
    )


def curves(style: dict[str, dict[str, str]], shown: list[str]) -> list[dict[str, Any]]:
    """The checkboxes of a ROC, those that are checked first."""
    return [
        {
            "name": name,
            "color": line["color"],
            "dashes": _DASHES[line["dash"]],
            "shown": name in shown,
        }
        for name, line in style.items()
    ]


def commands(material: Material) -> list[str]:
    """The commands that make this run again, with the settings that are not defaults."""
    e = material.experiment
    if not e:
        return []
    flags = [
        f"--{name}={sections.setting(value)}"
        for name, value in e.items()
        if name in FIELDS
        and sections.setting(value) != sections.setting(FIELDS[name].default)
        and name != "target_recipe"
    ]
    recipe = [f"--{name}={sections.setting(v)}" for name, v in e.get("target_recipe", {}).items()]
    if recipe:
        flags.append("--target_flagfile=targets.flags")
    workdir = f"--workdir={material.name}"
    lines = [
        ["lira-train", workdir, *flags],
        *([f"lira-{s}", workdir] for s in ("score", "attack", "report")),
    ]
    lines[1] += [f for f in flags if f.startswith(("--recipe=", "--target_flagfile=")) or _OWN(f)]
    attacks = list(material.results.attacks)
    if any("@" in name or SEPARATOR in name for name in attacks):  # which no default has
        lines[2].append(f"--attacks={','.join(attacks)}")
    if material.results.compat:
        lines[2].append(f"--compat={material.results.compat}")
    first = [shlex.join(["printf", "%s\\n", *recipe]) + " > targets.flags"] if recipe else []
    return [*first, *(shlex.join(line) for line in lines)]


def _charts(material: Material, style, shown, groups) -> dict[str, Chart]:
    results = material.results
    drawn = {
        "roc": roc(results.attacks, style, shown),
        "roc-linear": linear(results.attacks, style, shown),
    }
    if groups:
        drawn["accuracy"] = accuracy(groups)
    exposed = material.exposed
    if exposed is not None:
        names = [material.class_name(k) for k in range(int(exposed.labels.max()) + 1)]
        finite = np.isfinite(exposed.exposure)
        if finite.any() and not material.is_text:
            drawn["classes"] = class_exposure(
                exposed.exposure[finite], exposed.labels[finite], names
            )
        if exposed.sources is not None:
            drawn["sources"] = source_exposure(
                *densities(exposed.exposure, exposed.sources, exposed.source_names)
            )
    known = dataclasses.replace(results, confidence_shapes=_shapes(results))
    drawn |= rezaei.charts(known, material.class_name)
    if results.risk:
        drawn["risk-distribution"] = risk_distribution(results.risk.cumulative)
        drawn["risk-calibration"] = risk_calibration(results.risk.calibration)
    if results.num_shadows:
        drawn["shadows"] = shadow_curve(results.num_shadows, _best_known(results.num_shadows))
    if results.num_queries:
        drawn["queries"] = query_curve(results.num_queries, _best_known(results.num_queries))
    return drawn


def _best_known(rows: Sequence[Row]) -> str:
    """The metric of the headline that the rows know."""
    return next((m for m in wording.HEADLINE if any(r.metrics[m].is_known for r in rows)), "auc")


def _variants(results: Results) -> dict[str, dict[str, CurveRow]]:
    """Chart -> its curves, of the parts that have any."""
    found = {
        "shadows-roc": variants.by_shadows(results.num_shadows),
        "queries-roc": variants.by_queries(results.num_queries),
        "statistics-roc": variants.by_statistic(results.statistics),
    }
    return {name: own for name, own in found.items() if own}


def _variant_charts(varied: Mapping[str, Mapping[str, CurveRow]]) -> dict[str, Chart]:
    return {
        name: roc(own, variants.styles(own), variants.first(own)) for name, own in varied.items()
    }


def _tiles(material: Material, headline: wording.Headline, groups) -> list[tuple[str, str, str]]:
    """(title, value, note): the numbers to remember."""
    answer = material.results.attacks[headline.attack].metrics
    tiles: list[tuple[str, str, str]] = []
    for metric in [*TPR_AT, "auc"]:
        if answer[metric].is_known and metric != headline.metric and len(tiles) < 3:
            text = wording.cell(metric, answer[metric])
            tiles.append(
                (
                    wording.COLUMN[metric],
                    text["text"],
                    text["interval"] and f"95 % interval {text['interval']}",
                )
            )
    held_out = next((name for name in ("test set", "non-members") if name in groups), None)
    if held_out:
        note = f"{100 * np.mean(groups['members']):.1f} % on members" if "members" in groups else ""
        tiles.append(
            (
                f"accuracy on {held_out}",
                f"{100 * np.mean(groups[held_out]):.1f}{wording.PERCENT}",
                note,
            )
        )
    return tiles


def _shapes(results: Results) -> ConfidenceShapes | None:
    """What confidences look like, where there is a section on right and wrong predictions."""
    return results.confidence_shapes if sections.split_table(results.attacks) else None


def _shape_classes(material: Material) -> dict[str, str]:
    """The classes whose confidences are drawn; empty if none are."""
    shapes = _shapes(material.results)
    if shapes is None:
        return {}
    drawn = {"vector": shapes.vector_class, "histogram": shapes.histogram_class}
    return {what: material.class_name(number) for what, number in drawn.items()}


def _pool_spread_factor(factor: float) -> str:
    return "" if math.isnan(factor) else f"{factor:.2f}"


def _exposed(material: Material) -> dict[str, str]:
    if material.exposed is None:
        return {}
    known = ~np.isnan(material.exposed.exposure)
    exposure, keep = material.exposed.exposure[known], material.exposed.keep[:, known]
    smaller = int(np.minimum(keep.sum(0), (~keep).sum(0)).min())
    return {
        "examples": f"{exposure.size:,}",
        "above_one": f"{np.sum(exposure > 1):,}",
        "above_two": f"{np.sum(exposure > 2):,}",
        "median": f"{np.median(exposure):.2f}",
        "few": str(smaller) if smaller < gallery.ENOUGH else "",
        "marked": "yes" if material.exposed.gains else "",
    }


def _calibration(found: Calibration | None) -> dict[str, str] | None:
    if found is None:
        return None
    return {name: "unknown" if math.isnan(v) else f"{v:.3f}" for name, v in vars(found).items()}
