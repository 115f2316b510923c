"""What lira-score does once however many runs, sets of probes and signals there are."""

import pytest

from lira_jax.cli import flags, score, train
from lira_jax.data import normalize
from lira_jax.models import network
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import POOL, probes

SMALL = [
    "--num_models=2",
    "--num_examples=60",
    "--hidden=4",
    "--epochs=1",
    "--batch_size=10",
    "--queries=1",
    "--normalize=standard",
    "--workers=1",
]


@pytest.fixture
def counted(monkeypatch):
    """Names of the functions that are called, one a call."""
    calls = []

    def watch(module, name):
        function = getattr(module, name)

        def watched(*arguments, **named):
            calls.append(name)
            return function(*arguments, **named)

        monkeypatch.setattr(module, name, watched)

    watch(normalize, "fit")
    watch(network, "make")
    return calls


@pytest.mark.slow
def test_the_pool_is_measured_and_a_network_described_once_a_command(tmp_path, counted):
    targets = tmp_path / "targets.flags"
    targets.write_text("--hidden=8\n")
    run = tmp_path / "run"
    flags.parse(["lira-train", *SMALL, f"--workdir={run}", f"--target_flagfile={targets}"])
    train.main()
    assert counted == ["fit"]
    counted.clear()
    flags.parse(["lira-score", f"--workdir={run}", "--probes=noise,permuted", "--workers=1"])
    score.main()
    assert sorted(counted) == ["fit", "make", "make"]
    for own in (RunDirectory(run), RunDirectory(run).targets()):
        for view in (POOL, probes("noise"), probes("permuted")):
            assert own.has(view.signal("phi", 1))
