"""Names in the static figures are text, whatever is in them."""

import warnings

import numpy as np
import pytest

from lira_jax.report import figures

NAMES = [r"npz:/a/$\frac$/b", "$x$", "a$", "<b>", "100 %_{i}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_formula(name):
    edges = np.linspace(0, 3, 4)
    figure = figures.exposure_by_source(edges, {name: np.ones(3), "$other$": np.ones(3)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    (axes,) = figure.axes
    shown = axes.get_legend().get_texts()[0].get_text()
    assert shown.replace(r"\$", "$") == name
    assert "$" not in shown.replace(r"\$", "")
