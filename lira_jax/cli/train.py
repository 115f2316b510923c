"""lira-train: draws the masks and trains the shadow models of a run."""

import sys

import numpy as np

from lira_jax.cli import flags
from lira_jax.data import masks
from lira_jax.data.dataset import Dataset
from lira_jax.experiment import FIELDS
from lira_jax.launch import parts, workers
from lira_jax.progress import note, note_finished
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import KEEP, POOL, SOURCES, RunDirectory
from lira_jax.training import event_files

SUMMARY = (
    "trains shadow models, each on its own part of the data, many at once, and targets of another "
    "recipe with --target_flagfile. Run again with the same flags, it goes on "
    "where it was interrupted; finished models are not trained again."
)
NOT_SHOWN = (*flags.SCORE_FLAGS, "probes", "score_batch_size")
SHOWN = [
    *flags.SHARE_FLAGS,
    *(n for n in FIELDS if n in flags.FLAGS and n not in NOT_SHOWN),
    "target_flagfile",
]


def main() -> None:
    flags.keep_compiled_programs()
    with flags.settling() as runs:
        ids = flags.own_models(runs[0][1].num_models)
        dataset, keep, networks = prepare(runs)

    from lira_jax.runs import checkpoint
    from lira_jax.training import loop

    convolutional = any(network.convolutional for network in networks)
    folders = [run.checkpoints() for run, _ in runs]
    todo = [i for i in ids if not all(checkpoint.is_finished(f, i) for f in folders)]
    number = workers.count(flags.FLAGS.workers, convolutional=convolutional, models=len(todo))
    if number > 1:
        note_finished(len(ids), len(todo), "trained already")
        workers.run("train", sys.argv[1:], todo, number)
    else:
        for run, e in runs:
            loop.train(e, dataset, keep, run, ids)
    if ids and not workers.inside():
        for (run, e), kind in zip(runs, ("models", "targets"), strict=False):
            note(summary(run, ids, e.epochs, kind))


def prepare(runs: flags.Runs) -> tuple[Dataset, np.ndarray, list]:
    """Checks that the run and its targets can be trained, and only then stores what they are:
    experiments, data, masks.

    Returns:
      The data, the masks bool [models, examples], and the networks of the models and of the
      targets, if there are any.

    Raises:
      UserError: naming the flag; nothing is stored.
    """
    run, experiment = runs[0]
    if experiment.tensorboard:
        event_files.check_installed()
    dataset = run_data.read(experiment)
    shape = (experiment.num_models, len(dataset.y))
    if run.has(KEEP):
        keep = run.read(KEEP, shape)
    else:
        keep = masks.draw(experiment.masks, *shape, pkeep=experiment.pkeep, seed=experiment.seed)

    from lira_jax.training import loop  # after the cheap checks

    parts.check_own_devices()
    networks = [loop.check(experiment, dataset)]
    with flags.about_targets():
        networks += [loop.check(e, dataset) for _, e in runs[1:]]
    flags.store(runs)
    run_data.settle(dataset, experiment, [r for r, _ in runs])
    for directory, _ in runs:
        directory.write_once(POOL.labels, dataset.y)
        directory.write_once(KEEP, keep)
        if dataset.sources is not None:
            directory.write_once(SOURCES, dataset.sources)
    return dataset, keep, networks


def summary(run: RunDirectory, ids: list[int], epochs: int, kind: str) -> str:
    """What became of the models or targets, in a line or two, from metrics.jsonl."""
    last = {r["model"]: r for r in run.read_metrics() if r["epoch"] == epochs and r["model"] in ids}
    if not last:
        return f"metrics.jsonl says nothing of these {kind}"
    healthy = [r for r in last.values() if not r["diverged"]] or list(last.values())
    text = f"trained {len(last)} {kind}"
    if healthy[0]["train_accuracy"] is not None:
        mean = {
            n: f"{np.mean([r[n] for r in healthy]):.1%}" for n in ("train_accuracy", "out_accuracy")
        }
        text += (
            f": accuracy {mean['train_accuracy']} on members, {mean['out_accuracy']} on "
            "non-members of the pool"
        )
    if healthy[0]["test_accuracy"] is not None:
        text += f", {np.mean([r['test_accuracy'] for r in healthy]):.1%} on the test set"
    diverged = sorted(r["model"] for r in last.values() if r["diverged"])
    if diverged:
        text += f"\nWARNING: {len(diverged)} {kind} have diverged and will not be used: {diverged}"
    return text


def cli() -> None:
    flags.run("lira-train", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
