"""Privacy risk scores: how they are distributed, and whether they keep their word."""

import math

from lira_jax.evaluation.risk import RiskCalibration, RiskDistribution
from lira_jax.report.charts.chart import Chart, layout, short
from lira_jax.report.colours import IN, OUT


def risk_distribution(cumulative: RiskDistribution) -> Chart:
    """Cumulative distribution of members' privacy risk (Song and Mittal 2021, figure 1)."""
    return {
        "data": [
            {
                "x": list(cumulative.risk),
                "y": short(cumulative.fraction),
                "mode": "lines",
                "name": "members",
                "line": {"color": IN, "width": 2.2},
                "hovertemplate": "%{y:.1~%} of the members: at most %{x}",
            }
        ],
        "layout": layout(
            "privacy risk score",
            "members with at most this risk",
            {"range": [0, 1]},
            {"range": [0, 1.02], "tickformat": ".0%"},
            height=320,
            showlegend=False,
        ),
        "alt": "Cumulative distribution of the members' privacy risk scores.",
    }


def risk_calibration(calibration: RiskCalibration) -> Chart:
    """Predicted against true risk (Song and Mittal 2021, figure 3)."""
    pairs = [
        (p, a, n)
        for p, a, n in zip(
            calibration.predicted, calibration.actual, calibration.count, strict=True
        )
        if not (math.isnan(p) or math.isnan(a))
    ]
    diagonal = {
        "x": [0, 1],
        "y": [0, 1],
        "mode": "lines",
        "hoverinfo": "skip",
        "name": "calibrated",
        "line": {"color": "#9ca3af", "dash": "dot"},
    }
    points = {
        "x": short([p for p, _, _ in pairs]),
        "y": short([a for _, a, _ in pairs]),
        "mode": "lines+markers",
        "customdata": [n for _, _, n in pairs],
        "name": "pairs",
        "line": {"color": OUT},
        "marker": {"size": 8},
        "hovertemplate": "predicted %{x:.3f}, true %{y:.3f}<br>%{customdata} pairs",
    }
    return {
        "data": [diagonal, points],
        "layout": layout(
            "privacy risk score",
            "fraction that are members",
            {"range": [0, 1]},
            {"range": [0, 1.02]},
            height=320,
            showlegend=False,
        ),
        "alt": "Calibration of the privacy risk score, root mean square error "
        f"{0 if math.isnan(calibration.rmse) else calibration.rmse:.3f}.",
    }
