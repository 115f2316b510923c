"""lira-score: queries the trained models on augmented copies of every example."""

import functools
import sys

from lira_jax.cli import flags
from lira_jax.data import normalize
from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import Normalizer
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.launch import parts, workers
from lira_jax.progress import note, note_finished
from lira_jax.runs import data as run_data
from lira_jax.runs import diagnoses, directory

SUMMARY = (
    "scores every example under every trained model on the grid of augmented copies, and writes "
    "the signals asked for, phi and logits by default. Models that are scored already are passed "
    "over. Targets of another recipe are scored too."
)
SHOWN = [*flags.SHARE_FLAGS, *flags.SCORE_FLAGS, "signals", "probes", *flags.HOW_FLAGS]


def main() -> None:
    flags.start_jax()
    directory.RunDirectory(flags.FLAGS.workdir).read_experiment()  # there must be a run
    with flags.settling() as runs:
        run, experiment = runs[0]
        ids = flags.own_models(experiment.num_models)
        dataset = run_data.load_data(run, experiment, also=[r for r, _ in runs])

        from lira_jax.ensemble import start  # after the cheap checks
        from lira_jax.models import fingerprint, network, recipe
        from lira_jax.signals import score as scoring
        from lira_jax.signals import table

        start.check_devices()
        normalizer = normalize.fit(dataset.x, experiment.normalize)
        networks = [network.make(e, dataset, normalizer) for _, e in runs]
        for (run, e), one in zip(runs, networks, strict=True):
            table.measures(experiment.signal_names, one)
            run.settle_code(fingerprint.of(e, dataset), recipe.flag(e))
            diagnoses.check_trained(run, e.num_models)
        sets = make_probes(runs, dataset, normalizer)
        flags.store(runs)
    flags.open_with(run_data.line(run, dataset))

    parts.check_own_devices()
    convolutional = any(one.convolutional for one in networks)
    views = {"": directory.POOL, **{name: directory.probes(name) for name in sets}}
    dumps = [(run, name) for run, _ in runs for name in views]

    def is_scored(run: directory.RunDirectory, model: int, name: str) -> bool:
        return not scoring.missing(run, model, experiment.signal_names, views[name])

    missing = {dump: [i for i in ids if not is_scored(dump[0], i, dump[1])] for dump in dumps}
    todo = sorted(set().union(*missing.values()))
    number = workers.count(flags.FLAGS.workers, convolutional=convolutional, models=len(todo))
    if number > 1:
        note_finished(len(ids), len(todo), "scored already")
        workers.run("score", sys.argv[1:], todo, number)
    else:
        for (run, e), one in zip(runs, networks, strict=True):
            for name, examples in {"": dataset, **sets}.items():
                scoring.score_models(e, one, examples, run, ids, view=views[name])
    if ids and not workers.inside():
        for (run, e), kind in zip(runs, ("models", "targets"), strict=False):
            queries = f"x {e.queries} {'query' if e.queries == 1 else 'queries'} each"
            for name, examples in {"": dataset, **sets}.items():
                if scored := len(missing[run, name]):
                    what, where = ("probes", f" on {name}") if name else ("examples", "")
                    note(f"scored {scored} {kind}{where}: {len(examples.y)} {what} {queries}")


def make_probes(
    runs: list[tuple[directory.RunDirectory, Experiment]], dataset: Dataset, normalizer: Normalizer
) -> dict[str, Dataset]:
    """The probes of the experiment by name; they must be those that were scored before."""
    from lira_jax.data import dataset as dataset_lib
    from lira_jax.data import load, probes

    _, experiment = runs[0]
    read = functools.partial(load.load_spec, data_dir=experiment.data_dir)
    sets = {}
    for name, spec in probes.parse(experiment.probes).items():
        try:
            examples = probes.make(spec, dataset, normalizer, experiment.seed, read)
        except UserError as error:
            raise UserError(f"--probes={error}") from None
        for run, _ in runs:
            run.settle_data(dataset_lib.fingerprint(examples), f"--probes={spec}", f"probes/{name}")
            run.write_once(directory.probes(name).labels, examples.y)
        sets[name] = examples
    return sets


def cli() -> None:
    flags.run("lira-score", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
