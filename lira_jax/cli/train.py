"""lira-train: draws the masks and trains the shadow models of a run."""

import numpy as np

from lira_jax import masks
from lira_jax.cli import command
from lira_jax.experiment import FIELDS
from lira_jax.progress import note
from lira_jax.store import RunDirectory

SUMMARY = (
    "trains shadow models, each on its own part of the data, many at once. Run again with the same flags, "
    "it goes on where it was interrupted; finished models are not trained again."
)
SHOWN = [
    "model_ids",
    *(n for n in FIELDS if n not in (*command.SCORE_FLAGS, "score_batch_size")),
]


def main() -> None:
    run = RunDirectory(command.FLAGS.workdir)
    experiment = run.settle_experiment(*command.asked_experiment())
    ids = masks.parse_ids(command.FLAGS.model_ids, experiment.num_models)
    dataset = command.load_data(run, experiment)
    shape = (experiment.num_models, len(dataset.y))
    if run.has("keep.npy"):
        keep = run.read("keep.npy", shape)
    else:
        keep = masks.draw(experiment.masks, *shape, pkeep=experiment.pkeep, seed=experiment.seed)

    from lira_jax.training.loop import Trainer  # after the cheap checks

    trainer = Trainer(experiment, dataset, keep, run)  # refuses what cannot be trained before anything is fixed
    run.write_once("labels.npy", dataset.y)
    run.write_once("keep.npy", keep)
    outcomes = trainer.train_all(ids)
    if outcomes:
        healthy = [o for o in outcomes if not o.diverged]
        mean = lambda field: f"{np.mean([getattr(o, field) for o in healthy or outcomes]):.1%}"  # noqa: E731
        test = "" if outcomes[0].test_accuracy is None else f", {mean('test_accuracy')} on the test set"
        note(
            f"trained {len(outcomes)} models: accuracy {mean('train_accuracy')} on members, "
            f"{mean('out_accuracy')} on non-members of the pool{test}"
        )
    diverged = [o.model for o in outcomes if o.diverged]
    if diverged:
        note(f"WARNING: {len(diverged)} models have diverged and will not be used: {diverged}")


def cli() -> None:
    command.run("lira-train", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
