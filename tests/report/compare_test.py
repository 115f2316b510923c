import dataclasses
import json
import math
import re

import numpy as np
import pytest
from report import synthetic_run
from scipy import stats

from lira_jax.audit.results import FalsePositiveRate, ProbeResults
from lira_jax.errors import UserError
from lira_jax.evaluation.estimate import Estimate, mean_estimate
from lira_jax.evaluation.intervals import clopper_pearson
from lira_jax.report import compare, material, wording


def ends(found):
    return found.value, found.low, found.high


def test_symmetric_intervals_add_in_quadrature():
    found = compare.difference(Estimate(0.5, 0.2, 0.8), Estimate(0.6, 0.2, 1.0))
    assert ends(found) == pytest.approx((0.1, 0.1 - 0.5, 0.1 + 0.5))


def test_an_end_comes_from_the_ends_that_push_it():
    # The difference is low where b is low and a is high.
    found = compare.difference(Estimate(0.1, 0.1, 0.4), Estimate(0.3, 0.26, 0.3))
    assert found.value - found.low == pytest.approx(math.hypot(0.3, 0.04))
    assert found.high == pytest.approx(found.value)


def test_a_run_does_not_differ_from_itself_and_order_is_the_sign():
    a, b = Estimate(0.1, 0.08, 0.13), Estimate(0.3, 0.2, 0.45)
    assert compare.difference(a, a).value == 0
    value, low, high = ends(compare.difference(a, b))
    assert ends(compare.difference(b, a)) == pytest.approx((-value, -high, -low))
    without = compare.difference(a, Estimate(0.3))
    assert without.value == pytest.approx(0.2)
    assert not without.has_interval


def test_the_interval_of_a_difference_covers():
    rng = np.random.default_rng(0)
    p, q, n, trials = 0.02, 0.08, 500, 2000
    hits, width = 0, []
    for x, y in zip(rng.binomial(n, p, trials), rng.binomial(n, q, trials), strict=True):
        a, b = (Estimate(k / n, *map(float, clopper_pearson(k, n))) for k in (x, y))
        _, low, high = ends(compare.difference(a, b))
        hits += low <= q - p <= high
        width.append(high - low)
    assert hits / trials > 0.95 - 3 * math.sqrt(0.05 * 0.95 / trials)
    wald = 2 * 1.96 * math.sqrt(p * (1 - p) / n + q * (1 - q) / n)
    assert np.mean(width) < 1.25 * wald  # it covers without being idle


def test_the_mean_of_models_has_students_interval():
    values = [0.9, 0.92, 0.95, 0.91]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    found = ends(mean_estimate(values))
    assert found == pytest.approx((np.mean(values), *expected))
    alone = mean_estimate([0.9])
    assert alone.value == 0.9
    assert not alone.has_interval


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["x/run", "y/run/"], ["x/run", "y/run"]),
        (["/r", "r"], ["/r (1)", "r (2)"]),
    ],
)
def test_names_tell_runs_apart(paths, names):
    assert compare.distinct_names(paths) == names


def test_the_page_compares_with_the_first_run(tmp_path):
    hostile = f"second{synthetic_run.HOSTILE.replace('/', '')}"
    runs = [
        material.read_results(synthetic_run.write(tmp_path / "first", models=8)),
        material.read_results(
            synthetic_run.write(tmp_path / "second", models=6, seed=1, logits=False)
        ),
    ]
    html = compare.render(runs, ["first", hostile])
    assert "<script>alert" not in html
    rows = re.findall(r'<th scope="row" data-sort="([^"]*)"', html)
    assert rows[:2] == ["first", rows[1]]
    assert len(rows) == 7  # two runs twice, one difference, two runs' calibration
    metric = compare.common_metric(runs, "lira_online")
    values = [r.results.attacks["lira_online"].metrics[metric].value for r in runs]
    assert f'data-sort="{float(values[1] - values[0])!r}"' in html
    assert "judged by one attack, <b>lira_online</b>" in html
    drawn = json.loads(re.search(r'id="charts">(.*?)</script>', html, re.DOTALL)[1])
    assert drawn.keys() == {"roc", "trade-off"}
    assert [c["y"][0] for c in drawn["trade-off"]["data"]] == pytest.approx(values, rel=1e-4)


def test_calibration_and_false_alarms_on_probes_stand_side_by_side(tmp_path):
    """Hintersdorf et al. 2022: ECE, OE, EMD and the false alarms of one attack."""
    runs = [material.read_results(synthetic_run.write(tmp_path / n)) for n in ("first", "second")]
    probes = {"noise": ProbeResults(0.5, {"maximum_score": FalsePositiveRate(0.125)}, 60, 0.25)}
    runs[0] = dataclasses.replace(
        runs[0], results=dataclasses.replace(runs[0].results, probes=probes)
    )
    table = compare.trust(runs, ["first", "second"], "lira_online")
    columns = ["ECE", "OE", "EMD, non-members", "EMD, noise", "FPR of maximum_score, noise"]
    assert table["columns"] == columns
    first, second = ([cell["text"] for cell in row["cells"]] for row in table["rows"])
    assert (first[3], first[4].removesuffix(wording.PERCENT)) == ("0.250", "12.5")
    assert second[3:] == ["–", "–"]
    assert float(first[2]) == pytest.approx(runs[0].results.calibration.score_shift, abs=6e-4)


def test_one_attack_judges_all_runs(tmp_path):
    names = ["first", "second"]
    runs = [
        material.read_results(synthetic_run.write(tmp_path / n, logits=n == "first")) for n in names
    ]
    assert compare.common_attack(runs, names) == "lira_online"
    html = compare.render(runs, names, "lira_offline")
    metric = compare.common_metric(runs, "lira_offline")
    values = [r.results.attacks["lira_offline"].metrics[metric].value for r in runs]
    assert f'data-sort="{float(values[1] - values[0])!r}"' in html
    with pytest.raises(UserError, match="--compare_attack=loss: it was not run in second; these"):
        compare.render(runs, names, "loss")
    only = [
        dataclasses.replace(r, results=dataclasses.replace(r.results, attacks=a))
        for r, a in zip(
            runs, ({"loss": runs[0].results.attacks["loss"]}, runs[1].results.attacks), strict=True
        )
    ]
    with pytest.raises(UserError, match="no attack was run in all of first, second"):
        compare.render(only, names)
