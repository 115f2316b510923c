import dataclasses
import math

from report import synthetic_run

from lira_jax.audit.results import FalsePositiveRate, ProbeResults, Results
from lira_jax.evaluation.estimate import Metric
from lira_jax.evaluation.exposure import SourceExposure
from lira_jax.report import terminal


def lines(text):
    return [line.split() for line in text.splitlines() if not line.startswith("-")]


def test_only_parts_that_are_known_are_shown_in_the_order_of_an_audit(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run", extras=True).path)
    parts = terminal.parts(found)
    assert [title.split(" (")[0] for title in parts] == [
        "",
        "What each component of LiRA adds",
        "With fewer shadow models",
    ]
    assert list(terminal.parts(dataclasses.replace(found, ablation=(), num_shadows=()))) == [""]
    assert [row[0] for row in lines(parts[""])[1:]] == list(found.attacks)
    shadows = lines(list(parts.values())[-1])[1:]
    assert [row[:2] for row in shadows] == [
        [str(row.num_shadows), row.attack] for row in found.num_shadows
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
    row = text.splitlines()[-1]
    assert row.startswith("loss    0.6123 [0.6000, 0.7000]")
    assert row.endswith("12.34 [10.00, 15.00]  -         -")


def test_probes_and_sources_have_tables(tmp_path):
    found = Results.read(synthetic_run.write(tmp_path / "run").path)
    rates = {"loss": FalsePositiveRate(0.25), "phi": FalsePositiveRate(0.5, 0.4, 0.6)}
    found = dataclasses.replace(
        found,
        exposure_by_source={"pool": SourceExposure(50, 0.1, 0.2, math.inf)},
        probes={
            "(non-members)": ProbeResults(0.75, rates),
            "noise": ProbeResults(0.5, {"phi": FalsePositiveRate(0.125)}, 60),
        },
    )
    _, sources, probes = terminal.parts(found).values()
    assert lines(sources)[1] == ["pool", "50", "0.100", "0.200", "inf"]
    assert lines(probes) == [
        ["probes", "max.", "score", "loss", "phi"],
        ["(non-members)", "0.750", "25.0", "50.0"],
        ["noise", "0.500", "-", "12.5"],
    ]
