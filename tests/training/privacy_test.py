import dataclasses

import numpy as np
import pytest

from lira_jax.defences import accounting
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import PRIVACY
from lira_jax.training import privacy

KEEP = np.arange(12)[None] % 2 == np.arange(2)[:, None]
E = Experiment(num_models=2, defence="dp_sgd", dp_epsilon=8.0, batch_size=4, epochs=2)


@pytest.fixture
def chosen(monkeypatch):
    monkeypatch.setattr(accounting, "noise_for", lambda e, fewest, steps: fewest + steps / 100)


def test_the_noise_for_an_epsilon_is_chosen_once_and_found_again(chosen, tmp_path):
    settled = privacy.settle(E, KEEP, begun=False)
    assert settled.dp_noise == 6 + 4 / 100  # 6 members, 2 epochs of 2 steps
    assert privacy.settle(settled, KEEP, begun=True) == settled
    run = RunDirectory(tmp_path)
    run.settle_experiment(settled, set())
    assert run.settle_experiment(E, {"dp_epsilon", "dp_noise"}) == settled


def test_what_cannot_be_settled_is_said(chosen):
    with pytest.raises(UserError, match="--dp_noise=2: --dp_epsilon=8 chooses it"):
        privacy.settle(dataclasses.replace(E, dp_noise=2.0), KEEP, begun=False)
    with pytest.raises(UserError, match="--batch_size=7: the smallest training set has 6"):
        privacy.settle(dataclasses.replace(E, batch_size=7), KEEP, begun=False)
    plain = Experiment(batch_size=64)
    assert privacy.settle(plain, KEEP, begun=False) == plain


def test_epsilon_is_stored_and_said_once(tmp_path, monkeypatch, capsys):
    run = RunDirectory(tmp_path)
    run.settle_experiment(E, set())
    monkeypatch.setattr(accounting, "version", lambda: "")
    privacy.store(run, E, KEEP)
    assert "no epsilon" in capsys.readouterr().err
    privacy.store(run, E, KEEP)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(accounting, "version", lambda: "0.6.0")  # installed later
    monkeypatch.setattr(accounting, "of_poisson", lambda *_: 3.25)
    privacy.store(run, E, KEEP)
    assert "epsilon 3.25 at delta 1e-05" in capsys.readouterr().err
    found = run.read_privacy()
    assert (found["epsilon"], found["steps"], found["sampling_rate"]) == (3.25, 4, 4 / 6)
    assert (tmp_path / PRIVACY).exists()
    privacy.store(run, E, KEEP)
    assert capsys.readouterr().err == ""


def test_shuffled_batches_have_two_numbers():
    found = {"batches": "shuffled", "noise": 1.0, "clip": 1.0, "delta": 1e-5}
    text = privacy.line(found | {"epsilon": 20.0, "epsilon_as_poisson": 8.0})
    assert "epsilon 20 at" in text
    assert "8 if the batches were Poisson's" in text
