"""The tutorials of docs/, executed as a reader would: commands and all, in an empty folder."""

import pathlib
import sys

import pytest

nbclient = pytest.importorskip(
    "nbclient", reason="nbclient, which executes notebooks, is not installed"
)
pytest.importorskip(
    "ipykernel", reason="ipykernel, in which notebooks are executed, is not installed"
)
nbformat = pytest.importorskip("nbformat")

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "docs/tutorials"
MAKES = {
    "defences": "plain/report/compare.html",
    "from_csv": "run/report/index.html",
    "from_logits": "theirs/results.json",
    "text": "run/report/index.html",
}
"""Notebook -> a file that it ends with."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKES)
def test_a_tutorial_runs(name, tmp_path, monkeypatch):
    for stage in ("train", "score", "attack", "report", "audit"):  # of this tree, installed or not
        command = tmp_path / f"bin/lira-{stage}"
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m lira_jax.cli.{stage} "$@"\n')
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}", prepend=":")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "work").mkdir()
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    where = {"metadata": {"path": str(tmp_path / "work")}}
    nbclient.NotebookClient(notebook, timeout=300, resources=where).execute()
    assert (tmp_path / "work" / MAKES[name]).is_file()


def test_they_are_stored_with_what_they_print():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(MAKES)
    for name in MAKES:
        path = FOLDER / f"{name}.ipynb"
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        printed = "".join(o.get("text", "") for cell in cells for o in cell.outputs)
        assert "AUC" in printed
        assert "Traceback" not in printed
        assert "/tmp/" not in printed
        assert all(o.output_type == "stream" for cell in cells for o in cell.outputs)
