"""lira-train: draws the masks and trains the shadow models of a run."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lira_jax.cli import flags, opening
from lira_jax.data.dataset import Dataset
from lira_jax.experiment import FIELDS, Experiment
from lira_jax.launch import parts, workers
from lira_jax.progress import note, note_finished
from lira_jax.runs import data as run_data
from lira_jax.runs import diagnoses
from lira_jax.runs.health import Diagnosis
from lira_jax.training import setup

if TYPE_CHECKING:  # --help need not wait for JAX
    from lira_jax.models.network import Network

SUMMARY = (
    "trains shadow models, each on its own part of the data, many at once, and targets of another "
    "recipe with --target_flagfile. Run again with the same flags, it goes on "
    "where it was interrupted; finished models are not trained again."
)
NOT_SHOWN = ("probes",)
SHOWN = [
    "config",
    *flags.SHARE_FLAGS,
    *(n for n in FIELDS if n in flags.FLAGS and n not in NOT_SHOWN),
    "target_flagfile",
]


Tell = Callable[[Experiment, "Network", Dataset, np.ndarray], None]
"""Is called with what is about to be trained; the masks are bool [models, examples]."""


def main() -> None:
    run()


def run(tell: Tell | None = None) -> None:
    """Trains the models that flags name; `tell` is called before the first."""
    workers.check(flags.FLAGS.workers)
    flags.start_jax()
    with opening.settling() as runs:
        opening.check_code_named(runs)
        ids = opening.own_models(runs[0][1].num_models)
        dataset, keep, networks = setup.check(runs, opening.about_targets())
        check_scoring(runs, dataset, networks)
        parts.check_own_devices()
        runs = setup.store(runs, dataset, keep, networks)
    flags.open_with(run_data.line(runs[0][0], dataset))
    if tell:
        tell(runs[0][1], networks[0], dataset, keep)

    from lira_jax.models import recipe  # after the cheap checks
    from lira_jax.runs import checkpoint
    from lira_jax.signals import epochs
    from lira_jax.training import loop

    convolutional = any(network.convolutional for network in networks)
    if convolutional and (by := recipe.convolutions(runs[0][1])):
        flags.open_with(by)
    folders = [run.checkpoints() for run, _ in runs]
    todo = [i for i in ids if not all(checkpoint.is_finished(f, i) for f in folders)]
    number = workers.count(flags.FLAGS.workers, convolutional=convolutional, models=len(todo))
    if number > 1:
        note_finished(len(ids), len(todo), "trained already")
        workers.run("train", sys.argv[1:], todo, number)
    else:
        for (run, e), network in zip(runs, networks, strict=True):
            score = epochs.EpochScorer(e, network, dataset, run) if e.score_epochs else None
            loop.train(e, network, dataset, keep, run, ids, score=score)
    if ids and not workers.inside():
        for (run, _), kind in zip(runs, ("model", "target"), strict=False):
            last = {m: r for m, r in diagnoses.last_records(run).items() if m in ids}
            found = {model: Diagnosis.of_entry(record) for model, record in last.items()}
            diagnoses.check_any_usable(run, found, kind)
            note("\n".join([summary(last, found, kind), *diagnoses.warnings(run, found, kind)]))


def check_scoring(runs: opening.Runs, dataset: Dataset, networks: list["Network"]) -> None:
    """Checks that what flags say of scoring can be done later, unless it is stored already.

    Raises:
      UserError: naming the flag.
    """
    from lira_jax.signals import table

    run, experiment = runs[0]
    before = run.read_experiment() if run.has_experiment() else Experiment()
    if before.signals != experiment.signals:
        for network in networks:
            table.measures(experiment.signal_names, network, experiment)
    if before.probes != experiment.probes:
        run_data.read_probes(experiment, dataset, networks[0].normalizer)


def summary(last: dict[int, dict], found: dict[int, Diagnosis], kind: str) -> str:
    """How accurate the models or targets are, in a line.

    Args:
      last: model -> its newest line of metrics.jsonl.
      found: model -> what is wrong with it; those that have diverged do not count.
      kind: what they are called.
    """
    if not last:
        return f"metrics.jsonl says nothing of these {kind}s"
    usable = [r for m, r in last.items() if not found[m].diverged] or list(last.values())
    text = f"trained {len(last)} {kind}s"
    mean = {
        name: f"{np.mean(known):.1%}"
        for name in ("train_accuracy", "out_accuracy", "test_accuracy")
        if (known := [r[name] for r in usable if r.get(name) is not None])
    }
    of = {"train": "members", "out": "non-members of the pool", "test": "the test set"}
    if mean:
        text += ": accuracy " + ", ".join(
            f"{mean[f'{name}_accuracy']} on {what}"
            for name, what in of.items()
            if f"{name}_accuracy" in mean
        )
        return text
    perplexity = {
        what: np.exp(np.mean(known))
        for name, what in of.items()
        if (known := [r[f"{name}_loss"] for r in usable if r.get(f"{name}_loss") is not None])
    }
    if perplexity:  # of models of text; those of a recipe of the user's own have no such losses
        text += ": perplexity " + ", ".join(f"{p:.4g} on {w}" for w, p in perplexity.items())
    return text


def cli() -> None:
    flags.run("lira-train", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
