"""The grid of bundles of flags, with models that are made up instead of trained."""

import csv
import importlib
import pathlib
import sys
from unittest import mock

import numpy as np
import pytest
from report import synthetic_run

from lira_jax.attacks.lira import lira
from lira_jax.audit.results import Results
from lira_jax.cli.flags import parse
from lira_jax.errors import UserError
from lira_jax.runs import layout

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def grid():
    with mock.patch.object(sys, "path", [str(ROOT / "scripts"), *sys.path]):
        return importlib.import_module("mismatch_grid")


@pytest.fixture
def run(grid, monkeypatch):
    """Runs the script, its attacks in this process, and gives the stages that it ran.

    The models of each bundle know the same members by other noise.
    """

    def run(*arguments):
        stages = []

        def command(stage, *flags, quiet=False):
            stages.append(stage)
            given = dict(flag[2:].split("=", 1) for flag in flags)
            workdir = pathlib.Path(given["workdir"])
            if stage == "train" and not workdir.exists():
                assert given["queries"] == "2"
                made = synthetic_run.write(workdir, data_path=workdir.parents[2] / "made.npz")
                rng = np.random.default_rng(len(stages))
                for model in range(8):
                    name = layout.POOL.signal("phi", model)
                    phi = made.read(name) + rng.normal(size=(60, 2)).astype(np.float32)
                    made.write(name, phi)
            if stage == "attack":
                attack = importlib.import_module("lira_jax.cli.attack")  # which defines its flags
                parse(["lira-attack", *flags])
                attack.main()

        monkeypatch.setattr(grid, "command", command)
        monkeypatch.setattr(sys, "argv", ["mismatch_grid.py", *map(str, arguments)])
        grid.main()
        return stages

    return run


@pytest.mark.slow
def test_each_recipe_is_trained_once_and_each_pair_attacked_with_the_shadows_queries(
    run, tmp_path, capsys
):
    (tmp_path / "base.flags").write_text("--dataset=npz")
    bundles = {"plain": "# one query\n--queries=1", "mirror": "--augment=mirror\n--queries=2"}
    for name, text in bundles.items():
        (tmp_path / f"{name}.flags").write_text(text)
    paths = [tmp_path / f"{name}.flags" for name in ("base", "plain", "mirror")]
    arguments = [paths[0], tmp_path / "grid", *paths[1:], "--metric=auc"]
    assert run(*arguments) == ["train", "score"] * 2 + ["attack"] * 4
    printed = capsys.readouterr().out
    with open(tmp_path / "grid/grid.csv") as file:
        rows = {(r["targets"], r["shadows"]): r for r in csv.DictReader(file)}
    assert [r["queries"] for r in rows.values()] == ["1", "2", "1", "2"]
    runs = {n: tmp_path / "grid/runs" / n for n in bundles}
    phi = {n: np.stack([np.load(p) for p in sorted(r.glob("scores/*"))]) for n, r in runs.items()}
    keep = np.load(runs["plain"] / "keep.npy")
    assert phi["plain"].shape == (8, 60, 2)
    for (target, shadow), row in rows.items():
        cell = tmp_path / f"grid/cells/{target}-by-{shadow}"
        asked = slice(int(row["queries"]))
        found = np.load(cell / "attacks/lira_online_fixed.npy")
        for t in range(8):
            observed = phi[target][[t], :, asked]
            expected = lira(
                phi[shadow][:, :, asked], keep, targets=[t], observed=observed, variance="residual"
            )
            np.testing.assert_allclose(found[[t]], expected, rtol=1e-4, atol=1e-4)
        assert Results.read(cell).used_queries == (1 if shadow == "plain" else 0)
        assert f"{float(row['auc']):.3f}" in printed
    for name in ("heat_map", "roc", "vulnerability"):
        assert (tmp_path / f"grid/report/{name}.png").stat().st_size > 1000
    # Run again, runs say themselves that they are finished, and only what is missing is attacked.
    (tmp_path / "grid/cells/plain-by-mirror/results.json").unlink()
    assert run(*arguments) == ["train", "score"] * 2 + ["attack"]


def test_what_cannot_be_a_grid_is_refused_before_anything_is_trained(run, tmp_path):
    for path in (tmp_path / "a.flags", tmp_path / "b/a.flags"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("--hidden=8")
    one = tmp_path / "a.flags"
    for arguments, message in (
        ([one, tmp_path / "g", one, tmp_path / "b/a.flags"], "two bundles have one name"),
        ([one, tmp_path / "g", tmp_path / "c.flags"], "c.flags: there is no such flagfile"),
        ([one, tmp_path / "g", one, "--metric=tpr"], "--metric"),
        ([one, tmp_path / "g", one, "--queries=2"], "give queries in the bundles"),
    ):
        with pytest.raises(UserError, match=message):
            run(*arguments)
    assert not (tmp_path / "g").exists()


def test_the_bundles_that_ship_set_flags_of_an_experiment(grid):
    found = {p.stem: grid.queries(p) for p in (ROOT / "configs/bundles").glob("*.flags")}
    assert {n: q for n, q in found.items() if q} == {
        "none": 1,
        "mirror": 2,
        "mirror_shift": 18,
        "mirror_shift_cutout": 18,
    }
    for name in found:
        parse(["lira-train", f"--flagfile={ROOT}/configs/bundles/{name}.flags", "--workdir=x"])
