"""The masks that a run begins with are those that it goes on with."""

import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.experiment import FIELDS, Experiment
from lira_jax.runs.directory import KEEP, RunDirectory
from lira_jax.training import setup


def test_masks_of_a_file_are_kept_by_the_run(tmp_path):
    masks = np.random.default_rng(0).random((4, 150)) < 0.5
    masks[:, 0] = [True, True, True, False]
    file = tmp_path / "masks.npy"
    np.save(file, masks)
    e = Experiment(
        num_models=4,
        num_examples=150,
        masks=f"file:{file}",
        pkeep=float(masks.mean()),
        hidden=(8,),
        queries=1,
    )
    run = RunDirectory(tmp_path / "run")

    def begin():
        with run.settling(e, set(FIELDS)) as settled:
            dataset, keep, _ = setup.check([(run, settled)])
            setup.store([(run, settled)], dataset, keep)
        return keep

    np.testing.assert_array_equal(begin(), masks)
    np.testing.assert_array_equal(np.load(run.path / KEEP), masks)
    np.testing.assert_array_equal(begin(), masks)
    np.save(file, masks[::-1])
    with pytest.raises(UserError, match="the run was begun with other masks than are there now"):
        begin()
    file.unlink()
    np.testing.assert_array_equal(begin(), masks)
