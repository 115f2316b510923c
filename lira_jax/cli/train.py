"""lira-train: draws the masks and trains the shadow models of a run."""

import sys

import numpy as np

from lira_jax.cli import flags
from lira_jax.experiment import FIELDS
from lira_jax.launch import parts, workers
from lira_jax.progress import note, note_finished
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory
from lira_jax.training import setup

SUMMARY = (
    "trains shadow models, each on its own part of the data, many at once, and targets of another "
    "recipe with --target_flagfile. Run again with the same flags, it goes on "
    "where it was interrupted; finished models are not trained again."
)
NOT_SHOWN = (*flags.SCORE_FLAGS, "signals", "probes", "score_batch_size")
SHOWN = [
    *flags.SHARE_FLAGS,
    *(n for n in FIELDS if n in flags.FLAGS and n not in NOT_SHOWN),
    "target_flagfile",
]


def main() -> None:
    flags.keep_compiled_programs()
    with flags.settling() as runs:
        ids = flags.own_models(runs[0][1].num_models)
        dataset, keep, networks = setup.check(runs, flags.about_targets())
        parts.check_own_devices()
        runs = setup.store(runs, dataset, keep)
    flags.open_with(run_data.line(runs[0][0], dataset))

    from lira_jax.runs import checkpoint  # after the cheap checks
    from lira_jax.training import loop

    convolutional = any(network.convolutional for network in networks)
    folders = [run.checkpoints() for run, _ in runs]
    todo = [i for i in ids if not all(checkpoint.is_finished(f, i) for f in folders)]
    number = workers.count(flags.FLAGS.workers, convolutional=convolutional, models=len(todo))
    if number > 1:
        note_finished(len(ids), len(todo), "trained already")
        workers.run("train", sys.argv[1:], todo, number)
    else:
        for (run, e), network in zip(runs, networks, strict=True):
            loop.train(e, network, dataset, keep, run, ids)
    if ids and not workers.inside():
        for (run, e), kind in zip(runs, ("models", "targets"), strict=False):
            note(summary(run, ids, e.epochs, kind))


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
