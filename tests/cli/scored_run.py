"""A run that is scored without having been trained."""

import numpy as np

from lira_jax.experiment import Experiment
from lira_jax.interop.arrays import phi_from_logits
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory

M, N, K = 8, 90, 10


def scored(path, *, queries=18, save_logits="all", models=M):
    """A scored run of models that know their members a little better than the others."""
    experiment = Experiment(
        num_models=models, queries=queries, save_logits=save_logits, epochs=7, num_examples=N
    )
    run = RunDirectory(path)
    run.settle_experiment(
        experiment, {"num_models", "queries", "save_logits", "epochs", "num_examples"}
    )
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, N).astype(np.int32)
    keep = rng.random((models, N)).argsort(0) < models // 2
    run.write("labels.npy", labels)
    run.write("keep.npy", keep)
    difficulty = rng.normal(0, 1, N)
    for model in range(models):
        logits = rng.normal(0, 1, (N, queries, K)).astype(np.float32)
        logits[np.arange(N), :, labels] += (3 + difficulty + 2 * keep[model])[:, None]
        run.write(layout.POOL.signal("phi", model), phi_from_logits(logits, labels))
        run.write(
            layout.POOL.signal("logits", model), logits if save_logits == "all" else logits[:, 0]
        )
    return run, experiment, labels, keep
