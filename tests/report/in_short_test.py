"""What one who has to decide is told: each sentence follows from the results."""

import dataclasses

import pytest
from report import synthetic_run

from lira_jax.audit.results import Results
from lira_jax.evaluation.estimate import Estimate
from lira_jax.report import wording
from lira_jax.report.in_short import in_short


@pytest.fixture(scope="module")
def attacks(tmp_path_factory):
    return Results.read(synthetic_run.write(tmp_path_factory.mktemp("run") / "run").path).attacks


def said(attacks, tpr, low, high, accuracy=(), models=64):
    """The sentences where lira_online finds so much at 1 % FPR."""
    rates = {"tpr_at_1e-2": Estimate(tpr, low, high), "tpr_at_1e-3": Estimate(float("nan"))}
    metrics = attacks["lira_online"].metrics | rates
    loss = attacks["loss"].metrics | {"tpr_at_1e-2": Estimate(0.0123, 0.01, 0.02)}
    found = {
        "lira_online": dataclasses.replace(attacks["lira_online"], metrics=metrics),
        "loss": dataclasses.replace(attacks["loss"], metrics=loss),
    }
    return dict(in_short(found, wording.headline(found), dict(accuracy), models))


def test_a_leak_is_said_with_its_interval_and_what_it_is_compared_with(attacks):
    text = said(attacks, 0.25, 0.2, 0.3, {"members": 1.0, "non-members": 0.8})
    assert text["What was found"].startswith("Models of this recipe give away")
    assert "25.0\N{NO-BREAK SPACE}%, 95 % interval 20.0 to 30.0" in text["How sure that is"]
    assert "64 models." in text["How sure that is"]
    assert text["Compared with what"].startswith("Guessing reaches 1\N{NO-BREAK SPACE}%.")
    assert text["Compared with what"].endswith(
        "reaches 1.2\N{NO-BREAK SPACE}% (95 % interval 1.0 to 2.0)."
    )
    assert "20.0 percentage points" in text["What to do"]


def test_a_model_that_does_not_overfit_is_not_told_to_train_less(attacks):
    text = said(attacks, 0.25, 0.2, 0.3, {"members": 0.81, "non-members": 0.8})
    assert "epochs" not in text["What to do"]
    assert "dp_sgd" in text["What to do"]


def test_no_leak_is_no_proof_and_few_models_are_told(attacks):
    text = said(attacks, 0.012, 0.005, 0.02, models=8)
    assert "no proof of safety" in text["What was found"]
    assert "With so few models" in text["How sure that is"]
    assert "Do not release" not in text["What to do"]
