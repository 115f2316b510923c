import dataclasses
import math

from report import synthetic_run

from lira_jax.attacks.selection import FOR_TEXT
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.results import FalsePositiveRate, ProbeResults, Results
from lira_jax.evaluation.estimate import Estimate, Metric
from lira_jax.evaluation.exposure import SourceExposure
from lira_jax.evaluation.tail import Extremes
from lira_jax.report import terminal, wording


def lines(text):
    return [line.split() for line in text.splitlines() if not line.startswith("-")]


def test_only_parts_that_are_known_are_shown_in_the_order_of_an_audit(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run", extras=True).path)
    parts = terminal.parts(found)
    assert [title.split(" (")[0] for title in parts] == [
        "",
        "With a threshold for each example: TPR and, in brackets, the FPR in fact, in percent",
        "What each component of LiRA adds",
        "With fewer shadow models",
        "With fewer queries",
        "On statistics of the plain query",
    ]
    few = dataclasses.replace(
        found, ablation=(), num_shadows=(), num_queries=(), statistics=(), calibrated={}
    )
    assert list(terminal.parts(few)) == [""]
    assert [row[0] for row in lines(parts[""])[1:-2]] == list(found.attacks)
    shadows, queries, statistics = (lines(text)[1:] for text in list(parts.values())[-3:])
    assert [row[:2] for row in shadows] == [
        [str(row.num_shadows), row.attack] for row in found.num_shadows
    ]
    assert [row[:2] for row in queries] == [
        [str(row.num_queries), row.attack] for row in found.num_queries
    ]
    assert [row[0] for row in statistics] == [
        f"{row.attack}@{row.statistic}" for row in found.statistics
    ]


def test_metrics_are_percentages_but_for_the_auc_and_a_dash_where_unknown(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run").path)
    metrics = {
        **found.attacks["loss"].metrics,
        "auc": Metric(0.61234, 0.6, 0.7),
        "tpr_at_1e-2": Metric(0.1234, 0.1, 0.15),
        "tpr_at_1e-3": Metric(math.nan),
        "tpr_at_1e-4": Metric(math.nan),
    }
    loss = dataclasses.replace(found.attacks["loss"], metrics=metrics)
    text = terminal.parts(dataclasses.replace(found, attacks={"loss": loss}))[""]
    row, _, choice = text.splitlines()[-3:]
    assert row.startswith("loss    0.6123 [0.6000, 0.7000]")
    own = found.calibrated["phi"].at["1e-2"]
    shown = [f"{100 * v:.2f}" for v in (own.tpr.value, own.tpr.low, own.tpr.high, own.fpr.value)]
    shown = "{} [{}, {}] ({})".format(*shown)
    assert row.endswith(f"12.34 [10.00, 15.00]  -         -          {shown}")
    assert choice == "loss is the only attack that was run."


def test_the_lowest_rate_has_a_column_in_tables_whose_pairs_tell_it(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run", extras=True).path)
    shown = terminal.parts(found)
    assert not any("TPR@0.001%" in text for text in shown.values())  # of some hundred non-members
    row = found.num_shadows[0]
    known = {**row.metrics, "tpr_at_1e-5": Estimate(0.0123, 0.01, 0.02)}
    rows = (dataclasses.replace(row, metrics=known), *found.num_shadows[1:])
    now = terminal.parts(dataclasses.replace(found, num_shadows=rows))
    (title,) = (title for title in shown if now[title] != shown[title])
    head, _, first, *others = now[title].splitlines()
    assert head.endswith("TPR@0.001%")
    assert first.endswith("1.23 [1.00, 2.00]")
    assert all(line.endswith("  -") for line in others)


def test_the_table_says_how_the_attack_of_the_answer_was_chosen(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run").path)
    text = terminal.parts(found)[""]
    expected = wording.headline(found.attacks).choice.replace(wording.PERCENT, " %")
    assert text.splitlines()[-1] == expected
    assert "chosen on these same data" in expected or "also the best" in expected


def test_a_short_table_fits_and_says_what_it_leaves_out(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run").path)
    loss = found.attacks["loss"]
    metrics = {**loss.metrics, "tpr_at_1e-2": Metric(0.1046, 0.1003, 0.1090)}
    loss = dataclasses.replace(loss, metrics=metrics)
    names = [*reversed(terminal.RECOMMENDED), "bavaria_n", "entropy"]
    many = dataclasses.replace(found, attacks=dict.fromkeys(names, loss))
    chosen = terminal.in_short(many)
    assert chosen == list(terminal.RECOMMENDED)  # in this order, and no other
    parts = terminal.parts(many, short=chosen)
    assert list(parts) == [""]
    text = parts[""]
    assert max(map(len, text.splitlines())) <= terminal.WIDTH
    rows = lines(text)
    assert [row[0] for row in rows[1 : 1 + len(chosen)]] == chosen
    assert rows[1][4:7] == ["10.46", "[10.03,", "10.90]"]
    assert "2 more attacks" in " ".join(text.split())
    few = terminal.parts(found, short=terminal.in_short(found))[""]
    assert [row[0] for row in lines(few)[1 : 1 + len(found.attacks)]] == list(found.attacks)
    assert "more attacks" not in few


def test_the_short_table_has_attacks_that_there_are():
    assert set(terminal.RECOMMENDED) <= {*ATTACKS, *FOR_TEXT.values()}
    assert terminal.RECOMMENDED[0] == wording.FIXED[0]


def test_details_are_shown_when_asked_for(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run").path)
    parts = terminal.parts(found, more=True)
    assert terminal.parts(found).items() <= parts.items()
    (title,) = [t for t in parts if t.startswith("Decisions at")]
    rows = lines(parts[title])[1:-1]
    assert [row[:2] for row in rows] == [
        [name, ratio] for name in found.attacks for ratio in ("5:1", "1:1", "1:5")
    ]
    far = found.attacks["lira_online"].decisions["5:1"].far
    assert rows[0][4] == f"{100 * far:.1f}"


def test_both_ends_of_the_scores_are_told_where_they_are_resolved(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run").path)
    starts = ("True negative rate", "How often it is right")
    assert not [t for t in terminal.parts(found, more=True) if t.startswith(starts)]  # 60 examples
    surest = Extremes(Estimate(0.4972, 0.48, 0.51), Estimate(0.8667, 0.85, 0.88))
    loss = dataclasses.replace(
        found.attacks["loss"], extremes=surest, tnr_at_fnr=Estimate(0.0106, 0.01, 0.02)
    )
    parts = terminal.parts(dataclasses.replace(found, attacks={"loss": loss}), more=True)
    tails, ends = (text for title, text in parts.items() if title.startswith(starts))
    assert lines(tails)[1] == ["loss", "1.06", "[1.00,", "2.00]"]
    assert lines(ends)[1] == ["loss", "49.72", "[48.00,", "51.00]", "86.67", "[85.00,", "88.00]"]


def test_probes_and_sources_have_tables(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run").path)
    rates = {"loss": FalsePositiveRate(0.25), "phi": FalsePositiveRate(0.5, 0.4, 0.6)}
    called = FalsePositiveRate(0.125, score_of_positives=0.9, score_of_negatives=0.4)
    found = dataclasses.replace(
        found,
        exposure_by_source={"pool": SourceExposure(50, 0.1, 0.2, math.inf)},
        probes={
            "(non-members)": ProbeResults(0.75, rates),
            "noise": ProbeResults(0.5, {"phi": called}, 60, score_shift=0.25),
        },
    )
    _, _, sources, probes, shifts, scores = terminal.parts(found).values()
    assert lines(sources)[1] == ["pool", "50", "0.100", "0.200", "inf"]
    assert lines(probes) == [
        ["probes", "max.", "score", "loss", "phi"],
        ["(non-members)", "0.750", "25.0", "50.0"],
        ["noise", "0.500", "-", "12.5"],
    ]
    assert lines(shifts)[2] == ["noise", "60", "0.5000", "0.2500"]
    assert lines(scores)[2] == ["noise", "-", "0.9000", "/", "0.4000"]
