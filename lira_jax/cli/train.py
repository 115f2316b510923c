"""lira-train: draws the masks and trains the shadow models of a run."""

import numpy as np

from lira_jax import masks
from lira_jax.cli import command, workers
from lira_jax.experiment import FIELDS
from lira_jax.progress import note
from lira_jax.store import RunDirectory

SUMMARY = (
    "trains shadow models, each on its own part of the data, many at once. Run again with the same flags, "
    "it goes on where it was interrupted; finished models are not trained again."
)
SHOWN = [
    "model_ids",
    "workers",
    *(n for n in FIELDS if n not in (*command.SCORE_FLAGS, "probes", "score_batch_size")),
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
    if dataset.sources is not None:
        run.write_once("sources.npy", dataset.sources)
    number = workers.count(command.FLAGS.workers, convolutional=trainer.convolutional, models=len(ids))
    if number > 1:
        workers.run("train", ids, number)
    else:
        trainer.train_all(ids)
    if command.FLAGS.workers != "1":
        note(summary(run, ids, experiment.epochs))


def summary(run: RunDirectory, ids: list[int], epochs: int) -> str:
    """What became of the models, in a line or two, from metrics.jsonl."""
    last = {r["model"]: r for r in run.read_metrics() if r["epoch"] == epochs and r["model"] in ids}
    if not last:
        return "metrics.jsonl says nothing of these models"
    healthy = [r for r in last.values() if not r["diverged"]] or list(last.values())
    mean = {n: f"{np.mean([r[n] for r in healthy]):.1%}" for n in ("train_accuracy", "out_accuracy")}
    text = (
        f"trained {len(last)} models: accuracy {mean['train_accuracy']} on members, "
        f"{mean['out_accuracy']} on non-members of the pool"
    )
    if healthy[0]["test_accuracy"] is not None:
        text += f", {np.mean([r['test_accuracy'] for r in healthy]):.1%} on the test set"
    diverged = sorted(r["model"] for r in last.values() if r["diverged"])
    if diverged:
        text += f"\nWARNING: {len(diverged)} models have diverged and will not be used: {diverged}"
    return text


def cli() -> None:
    command.run("lira-train", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
