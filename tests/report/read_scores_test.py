"""notebooks/read_scores.py, executed."""

import pathlib
import runpy
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from report import synthetic_run

from lira_jax import store

SCRIPT = pathlib.Path(__file__).parents[2] / "notebooks/read_scores.py"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The run, the folder of the figures, and the script's variables."""
    folder = tmp_path_factory.mktemp("notebook")
    run = synthetic_run.write(folder / "run", models=16, logits=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SCRIPT), str(run.path), str(folder / "figures")])
        return run, folder / "figures", runpy.run_path(str(SCRIPT))


def test_both_figures_are_drawn(executed):
    _, folder, _ = executed
    for name in ("lira_figure_3.png", "lira_figure_4.png"):
        image = plt.imread(folder / name)
        assert min(image.shape[:2]) > 300
        assert image[..., :3].std() > 0.05  # not a blank sheet


def test_loss_and_confidence_are_those_of_the_logits(executed):
    run, _, variables = executed
    labels = run.read("labels.npy")
    logits = run.read(store.logits_name(3)).astype(np.float64)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    own = softmax[np.arange(len(labels)), labels]
    np.testing.assert_allclose(variables["confidence"][3], own, rtol=1e-4)
    np.testing.assert_allclose(variables["loss"][3], -np.log(own), rtol=1e-3, atol=1e-6)


def test_the_examples_are_what_their_titles_say(executed):
    _, _, variables = executed
    chosen, apart, mean_out = (variables[n] for n in ("chosen", "apart", "mean_out"))
    assert len(set(chosen.values())) == 4
    for kind in ("easy", "hard"):
        assert apart[chosen[f"{kind} to fit, tells much"]] > apart[chosen[f"{kind} to fit, tells little"]]
    assert mean_out[chosen["easy to fit, tells little"]] > np.median(mean_out)
    assert mean_out[chosen["hard to fit, tells much"]] < np.median(mean_out)
