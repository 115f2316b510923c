"""lira-score: queries the trained models on augmented copies of every example."""

import functools

from lira_jax import masks, store
from lira_jax.cli import command, workers
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.progress import note

SUMMARY = (
    "scores every example under every trained model on the grid of augmented copies, and writes phi and logits. "
    "Models that are scored already are passed over."
)
SHOWN = ["model_ids", "workers", *command.SCORE_FLAGS, "probes", *command.HOW_FLAGS]


def main() -> None:
    run, experiment = command.open_run()
    ids = masks.parse_ids(command.FLAGS.model_ids, experiment.num_models)
    dataset = command.load_data(run, experiment)
    sets = make_probes(run, experiment, dataset)

    from lira_jax.models.table import has_convolution  # after the cheap checks
    from lira_jax.signals.score import score_models
    from lira_jax.training.loop import abstract_variables

    convolutional = has_convolution(abstract_variables(experiment, dataset)["params"])
    number = workers.count(command.FLAGS.workers, convolutional=convolutional, models=len(ids))
    if number > 1:
        workers.run("score", ids, number)
        return
    scored = score_models(experiment, dataset, run, ids)
    note(f"scored {scored} models: {len(dataset.y)} examples x {experiment.queries} queries each")
    for name, examples in sets.items():
        scored = score_models(experiment, dataset, run, ids, probe=name, examples=examples)
        note(f"scored {scored} models on {name}: {len(examples.y)} probes x {experiment.queries} queries each")


def make_probes(run: store.RunDirectory, experiment: Experiment, dataset: Dataset) -> dict[str, Dataset]:
    """The probes of the experiment by name, checked to be those that the run has scored before."""
    from lira_jax.data import dataset as dataset_lib
    from lira_jax.data import load, normalize, probes

    read = functools.partial(load.load_spec, data_dir=experiment.data_dir)
    normalizer = normalize.fit(dataset.x, experiment.normalize)
    sets = {}
    for name, spec in probes.parse(experiment.probes).items():
        try:
            examples = probes.make(spec, dataset, normalizer, experiment.seed, read)
        except UserError as error:
            raise UserError(f"--probes={error}") from None
        run.settle_data(dataset_lib.fingerprint(examples), f"--probes={spec}", f"probes/{name}")
        run.write_once(store.labels_name(name), examples.y)
        sets[name] = examples
    return sets


def cli() -> None:
    command.run("lira-score", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
