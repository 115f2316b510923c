import numpy as np
import pytest

from lira_jax.report.charts.models import accuracy, class_exposure


def test_boxes_are_the_quantiles_of_the_classes_most_exposed_first():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    labels[labels == 2] = 3  # class 2 has no example
    exposure = rng.random(400) + labels
    box = class_exposure(exposure, labels, ["a", "b", "c", "<d>"])["data"][0]
    assert box["y"] == ["&lt;d&gt;", "b", "a"]
    assert box["median"][1] == pytest.approx(np.median(exposure[labels == 1]), rel=1e-4)
    assert box["q3"][0] == pytest.approx(np.quantile(exposure[labels == 3], 0.75), rel=1e-4)


def test_of_many_classes_the_most_and_the_least_exposed_are_drawn():
    labels = np.repeat(np.arange(100), 3)
    box = class_exposure(labels.astype(float), labels, [str(k) for k in range(100)])["data"][0]
    assert box["y"] == [str(k) for k in [*range(99, 84, -1), *range(14, -1, -1)]]


def test_each_model_is_a_dot_in_the_row_of_its_group():
    chart = accuracy({"members": [0.9, 0.95, 1.0], "test set": [0.5]})
    assert [trace["x"] for trace in chart["data"]] == [[0.9, 0.95, 1.0], [0.5]]
    for row, trace in enumerate(chart["data"]):
        assert all(abs(y - row) <= 0.25 for y in trace["y"])
        assert len(set(trace["y"])) == len(trace["y"])
    assert chart["layout"]["yaxis"]["ticktext"] == ["members", "test set"]
    assert "95.0 % on members, 50.0 % on test set" in chart["alt"]
