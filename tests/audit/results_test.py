"""results.json and results.csv: what is written is what is read, by this version and the first."""

import copy
import csv
import dataclasses
import io
import json
import math
import pathlib
import re
import typing
from pprint import pformat

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from audit.small_evidence import small_evidence

from lira_jax.attacks.p_values import p_values
from lira_jax.audit import result_tables
from lira_jax.audit.result_tables import results_csv, variants_csv
from lira_jax.audit.results import VERSION, QueryRow, Results, ShadowRow
from lira_jax.audit.sequence import Request, audit_evidence
from lira_jax.errors import UserError
from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.estimate import Estimate, Metric
from lira_jax.evaluation.summary import METRICS, Row
from lira_jax.runs.directory import RunDirectory

DOCS = pathlib.Path(__file__).parents[2] / "docs/run_directory.md"
# As version 1 wrote it, without the other attacks and shortened: see `first` for what it holds.
FIRST = json.loads((pathlib.Path(__file__).parent / "results_version_1.json").read_text())

START = Results(targets=tuple(range(16)), models=tuple(range(16)))

numbers = st.floats(-1e6, 1e6) | st.just(math.nan)
whole = st.integers(0, 10**6)
names = st.text(max_size=5)


def values(kind):
    """Values of a field's type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is float:
        return numbers
    if kind is int:
        return whole
    if kind is str:
        return names
    if kind is typing.Any:
        return st.none() | whole | names
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if dataclasses.is_dataclass(kind):
        return objects(kind)
    return st.one_of([st.none() if a is type(None) else values(a) for a in arguments])


def objects(kind, **fixed):
    hints = typing.get_type_hints(kind)
    drawn = {f.name: values(hints[f.name]) for f in dataclasses.fields(kind)}
    if "metrics" in drawn:  # every one of them is known to a row, and no other
        item = typing.get_args(hints["metrics"])[1]
        drawn["metrics"] = st.fixed_dictionaries({name: values(item) for name in METRICS})
    return st.builds(kind, **{**drawn, **fixed})


results = objects(
    Results,
    version=st.just(VERSION),
    attacks=st.dictionaries(names, objects(AttackResults), min_size=1, max_size=2),
)


@hypothesis.settings(max_examples=50)
@hypothesis.given(results)
def test_what_is_written_is_what_is_read(found):
    text = json.dumps(found.to_json(), allow_nan=False)
    again = Results.from_json(json.loads(text))
    assert pformat(again) == pformat(found)  # by sorted text, as NaN is not equal to itself


def test_the_first_version_is_read():
    found = Results.from_json(FIRST)
    entry, lira = FIRST["attacks"]["lira_online"], found.attacks["lira_online"]
    assert found.version == VERSION
    assert found.targets == tuple(FIRST["targets"])
    assert lira.num_members == entry["num_members"]
    for name in METRICS:
        for end in ("value", "low", "high", "mean"):
            read, written = getattr(lira.metrics[name], end), entry[name][end]
            assert read == written or (written is None and math.isnan(read))
    assert list(lira.roc.fpr) == entry["roc"]["fpr"]
    assert lira.correct.metrics["auc"] == Estimate(
        *(entry["correct"][f"auc{end}"] for end in ("", "_low", "_high"))
    )
    assert lira.per_class[1]["auc"] == entry["per_class"]["1"]["auc"]
    assert lira.decisions["5:1"].far == entry["decisions"]["5:1"]["far"]
    assert lira.epsilon.delta == entry["epsilon"]["delta"]
    assert lira.thresholds is None
    assert found.accuracy.nonmembers == tuple(FIRST["accuracy"]["nonmembers"])
    assert found.calibration.ece == FIRST["calibration"]["ece"]
    assert math.isnan(found.risk.precision_recall.precision[0])
    assert found.exposure_by_source["pool"].median == FIRST["exposure_by_source"]["pool"]["median"]
    assert found.probes["noise"].num_probes == FIRST["probes"]["noise"]["num_probes"]
    unknown = found.probes["(non-members)"]
    assert unknown.num_probes is None
    assert not unknown.false_positive_rate["loss"].has_interval
    assert found.ablation[0].attack == FIRST["ablation"][0]["attack"]
    assert found.num_shadows[0].num_shadows == FIRST["num_shadows"][0]["num_shadows"]
    assert (found.shadows, found.target_run, found.target_recipe) == (None, None, {})


def test_what_the_first_version_held_lies_where_it_lay():
    """So that scripts which read results.json need not change."""

    def assert_holds(new, old, where):
        if isinstance(old, dict):
            for key, value in old.items():
                assert_holds(new[key], value, f"{where}.{key}")
        elif isinstance(old, list) and any(isinstance(value, dict) for value in old):
            for i, (own, value) in enumerate(zip(new, old, strict=True)):
                assert_holds(own, value, f"{where}[{i}]")
        else:
            assert new == old, where

    assert_holds(Results.from_json(FIRST).to_json(), FIRST, "results")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r.update(version=VERSION + 1), f"has version {VERSION + 1} .* up to {VERSION}"),
        (lambda r: r.update(version="new"), "has version 'new'"),
        (lambda r: r.update(attacks={}), "holds no evaluated attack"),
        (lambda r: r.pop("targets"), "targets is missing"),
        (lambda r: r["attacks"]["lira_online"].pop("auc"), "attacks.lira_online.auc is missing"),
        (
            lambda r: r["ablation"][0].update({"tpr_at_1e-3_low": "x"}),
            r"ablation\[0\].tpr_at_1e-3.low is 'x', not a number",
        ),
        (lambda r: r.update(risk=[1]), r"risk is \[1\], not an object"),
    ],
)
def test_foreign_json_is_one_line_with_the_file_and_the_fix(tmp_path, damage, message):
    value = copy.deepcopy(FIRST)
    damage(value)
    (tmp_path / "results.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match=message) as raised:
        Results.read(tmp_path)
    assert str(raised.value).startswith(str(tmp_path / "results.json"))
    assert str(raised.value).endswith("run lira-attack again")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", '{"attacks": {"loss": ', "\xff", "[]", "3"])
def test_damaged_text_is_one_line_with_the_file_and_the_fix(tmp_path, text):
    (tmp_path / "results.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"results.json .*run lira-attack again$"):
        Results.read(tmp_path)


def test_results_csv_has_a_row_an_attack_and_an_empty_cell_for_the_unknown():
    found = Results.from_json(FIRST)
    few = dataclasses.replace(found.attacks["lira_online"], decisions=None)
    found = dataclasses.replace(found, attacks={**found.attacks, "few": few})
    header, first, second = results_csv(found).splitlines()
    ends = ("low", "high")
    assert header.split(",") == [
        *("attack", "num_targets", "num_members", "num_nonmembers"),
        *("auc", "balanced_accuracy", "tpr_at_1e-2", "tpr_at_1e-3", "tpr_at_1e-4", "tpr_at_1e-5"),
        *(f"{m}_{end}" for m in ("auc", "balanced_accuracy") for end in ends),
        *(f"tpr_at_1e-{k}_{end}" for k in (2, 3, 4, 5) for end in ends),
        *("balanced_accuracy_shadow_threshold", "far_shadow_threshold"),
        "statistic",
        *(f"calibrated_{rate}_at_1e-{k}" for rate in ("tpr", "fpr") for k in (2, 3, 4, 5)),
        *(f"calibrated_tpr_at_1e-{k}_{end}" for k in (2, 3, 4, 5) for end in ends),
        *("never_alarmed", "never_alarmed_if_equal", "alarms_of_top", "alarms_of_top_if_equal"),
        *(f"transferred_{rate}_at_1e-{k}" for k in (3, 5) for rate in ("tpr", "fpr")),
        *("jaccard", "spearman", "instability", "tnr_at_fnr_1e-3"),
        *("precision_highest_1e-2", "precision_lowest_1e-2", "epsilon", "epsilon_one_run"),
    ]
    row = dict(zip(header.split(","), first.split(","), strict=True))
    entry = FIRST["attacks"]["lira_online"]
    assert row["attack"] == "lira_online"
    assert float(row["auc"]) == entry["auc"]["value"]
    assert float(row["tpr_at_1e-2_high"]) == entry["tpr_at_1e-2"]["high"]
    assert row["tpr_at_1e-5"] == row["tpr_at_1e-5_low"] == ""
    assert float(row["far_shadow_threshold"]) == entry["decisions"]["1:1"]["far"]
    old = header.split(",").index("statistic")  # what a first version knows nothing of comes last
    assert set(first.split(",")[old:-2]) == {""}
    assert float(row["epsilon"]) == entry["epsilon"]["value"]
    assert row["epsilon_one_run"] == ""
    unknown = [""] * (len(row) - old)
    expected = ["few", *first.split(",")[1 : old - 2], *unknown, row["epsilon"], ""]
    assert second == ",".join(expected)


def test_variants_csv_has_a_row_a_variant_and_no_file_stands_for_none(tmp_path):
    found = Results.from_json(FIRST)
    first = found.num_shadows[0]
    asked = QueryRow(**{n: v for n, v in vars(first).items() if n != "num_shadows"}, num_queries=2)
    many = dataclasses.replace(found, num_queries=(asked,))
    rows = list(csv.DictReader(io.StringIO(variants_csv(many))))
    assert [row["part"] for row in rows] == [
        *["ablation"] * len(found.ablation),
        *["num_shadows"] * len(found.num_shadows),
        "num_queries",
    ]
    assert (rows[-1]["variant"], rows[-1]["attack"]) == ("2", first.attack)
    assert float(rows[-1]["auc_low"]) == first.metrics["auc"].low
    folder = RunDirectory(tmp_path)
    result_tables.write(many, folder)
    assert (tmp_path / "variants.csv").read_text() == variants_csv(many)
    result_tables.write(dataclasses.replace(found, ablation=(), num_shadows=()), folder)
    assert not (tmp_path / "variants.csv").exists()


def test_results_csv_has_what_is_found_with_a_threshold_for_each_example():
    evidence = small_evidence(models=16, examples=800)
    found = audit_evidence(evidence, Request(("lira_online", "phi_mean", "zero_r")), START)
    rows = {row["attack"]: row for row in csv.DictReader(io.StringIO(results_csv(found)))}
    p = p_values(evidence.signals["phi"], evidence.keep)
    for name in ("lira_online", "phi_mean"):
        assert rows[name]["statistic"] == "phi_mean"
        shown = [float(rows[name][f"calibrated_{rate}_at_1e-2"]) for rate in ("tpr", "fpr")]
        assert shown == [np.mean(p[kind] <= 0.01) for kind in (evidence.keep, ~evidence.keep)]
        alarms = found.attacks[name].false_alarms
        assert float(rows[name]["never_alarmed"]) == alarms.never
        assert float(rows[name]["transferred_fpr_at_1e-3"]) == pytest.approx(0.001, abs=0.002)
        assert rows[name]["transferred_fpr_at_1e-5"] == ""
    assert rows["zero_r"]["statistic"] == rows["zero_r"]["calibrated_tpr_at_1e-2"] == ""
    assert rows["zero_r"]["spearman"] == ""


def dataclasses_in(kind, found):
    """Every dataclass that a type is made of."""
    if dataclasses.is_dataclass(kind) and kind not in found:
        found.append(kind)
        for hint in typing.get_type_hints(kind).values():
            dataclasses_in(hint, found)
    for argument in typing.get_args(kind):
        dataclasses_in(argument, found)
    return found


def test_the_documentation_names_every_field_and_no_other():
    sections = re.findall(r"^### [^\n]*\(`(\w+)`\)\n(.*?)(?=^##|\Z)", DOCS.read_text(), re.M | re.S)
    documented = {
        name: re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (`.*?) \|", text, re.M)))
        for name, text in sections
    }
    kinds = dataclasses_in(Results, [])
    assert {AttackResults, Metric, Row, ShadowRow} < set(kinds)
    assert documented.keys() == {kind.__name__ for kind in kinds}
    for kind in kinds:
        fields = [f.name for f in dataclasses.fields(kind)]
        if "metrics" in fields:  # they lie flat beside the other fields
            fields = [*(name for name in fields if name != "metrics"), *METRICS]
        if kind is Results:
            fields.append("sha256")  # of the file, which its writer adds
        assert sorted(documented[kind.__name__]) == sorted(fields), kind
