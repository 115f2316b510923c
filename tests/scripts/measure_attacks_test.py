"""The script that measures attacks with few models, at a tiny size."""

import pathlib
import re
import sys

import pytest
from report import synthetic_run

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def test_each_attack_is_measured_with_each_number_of_models(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import measure_attacks

    run = synthetic_run.write(tmp_path / "run", examples=80)
    names = "lira_online,lira_moderated,lira_offline_predicted,loss"
    command = ["measure_attacks.py", str(run.path), "--models=6,8,16", f"--attacks={names}"]
    monkeypatch.setattr(sys, "argv", command)
    measure_attacks.main()
    printed = capsys.readouterr().out
    assert re.findall(r"^(\d+) models$", printed, re.M) == ["6", "8"]  # 16 are not there
    rows = re.findall(r"^(\w+) +(0\.\d+) ", printed, re.M)
    assert [name for name, _ in rows] == names.split(",") * 2
    loss = {float(area) for name, area in rows if name == "loss"}
    assert len(loss) == 1  # it reads no shadow
    from lira_jax.audit.results import Results

    assert printed.count("[") == 2 * (2 * 4 + 2 * 3)  # of --against there is no difference
    whole = Results.read(run.path).attacks["lira_online"].metrics["auc"].value
    assert float(rows[4][1]) == pytest.approx(whole, abs=1e-4)
