"""notebooks/read_scores.ipynb, executed."""

import base64
import io
import pathlib

import matplotlib.pyplot as plt
import numpy as np
import pytest
from report import synthetic_run

from lira_jax.runs import layout

nbclient = pytest.importorskip(
    "nbclient", reason="nbclient, which executes notebooks, is not installed"
)
pytest.importorskip(
    "ipykernel", reason="ipykernel, in which notebooks are executed, is not installed"
)
nbformat = pytest.importorskip("nbformat")

NOTEBOOK = pathlib.Path(__file__).parents[2] / "notebooks/read_scores.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The run, the figures, and the notebook's variables."""
    folder = tmp_path_factory.mktemp("notebook")
    run = synthetic_run.write(folder / "run", models=16, logits=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    save = (
        "np.savez('variables.npz', **{n: globals()[n] for n in ('confidence', 'loss', "
        "'chosen', 'apart', 'mean_out')})"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(save))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIRA_JAX_RUN", str(run.path))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        nbclient.NotebookClient(
            notebook, timeout=120, resources={"metadata": {"path": str(folder)}}
        ).execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    pictures = [o.data["image/png"] for o in outputs if o.output_type == "display_data"]
    with np.load(folder / "variables.npz", allow_pickle=True) as saved:
        variables = {name: saved[name] for name in saved.files}
    variables["chosen"] = variables["chosen"].item()
    return run, [plt.imread(io.BytesIO(base64.b64decode(p))) for p in pictures], variables


def test_both_figures_are_drawn(executed):
    _, pictures, _ = executed
    assert len(pictures) == 2
    for image in pictures:
        assert min(image.shape[:2]) > 200
        assert image[..., :3].std() > 0.05  # not a blank sheet


def test_loss_and_confidence_are_those_of_the_logits(executed):
    run, _, variables = executed
    labels = run.read("labels.npy")
    logits = run.read(layout.POOL.signal("logits", 3)).astype(np.float64)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    own = softmax[np.arange(len(labels)), labels]
    np.testing.assert_allclose(variables["confidence"][3], own, rtol=1e-4)
    np.testing.assert_allclose(variables["loss"][3], -np.log(own), rtol=1e-3, atol=1e-6)


def test_the_examples_are_what_their_titles_say(executed):
    _, _, variables = executed
    chosen, apart, mean_out = (variables[n] for n in ("chosen", "apart", "mean_out"))
    assert len(set(chosen.values())) == 4
    for kind in ("easy", "hard"):
        assert (
            apart[chosen[f"{kind} to fit, tells much"]]
            > apart[chosen[f"{kind} to fit, tells little"]]
        )
    assert mean_out[chosen["easy to fit, tells little"]] > np.median(mean_out)
    assert mean_out[chosen["hard to fit, tells much"]] < np.median(mean_out)


def test_it_is_stored_without_outputs():
    code = [
        cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"
    ]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
