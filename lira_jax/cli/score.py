"""lira-score: queries the trained models on augmented copies of every example."""

import sys

from lira_jax.cli import flags, opening
from lira_jax.data import normalize
from lira_jax.defences import releases
from lira_jax.interop import release
from lira_jax.launch import parts, workers
from lira_jax.progress import note, note_finished
from lira_jax.runs import data as run_data
from lira_jax.runs import diagnoses, directory, layout

SUMMARY = (
    "scores every example under every trained model on the grid of augmented copies, and writes "
    "the signals asked for, phi and logits by default. Models that are scored already are passed "
    "over. Targets of another recipe are scored too."
)
SHOWN = [*flags.SHARE_FLAGS, *flags.SCORE_FLAGS, "signals", "probes", "release", *flags.HOW_FLAGS]


def main() -> None:
    workers.check(flags.FLAGS.workers)
    asked = releases.parse(flags.FLAGS.release)
    flags.start_jax()
    directory.RunDirectory(flags.FLAGS.workdir).read_experiment()  # there must be a run
    with opening.settling() as runs:
        opening.check_code_named(runs)
        run, experiment = runs[0]
        ids = opening.own_models(experiment.num_models)
        dataset = run_data.load_data(run, experiment, also=[r for r, _ in runs])

        from lira_jax.data import augment  # after the cheap checks
        from lira_jax.ensemble import start
        from lira_jax.models import fingerprint, network, recipe
        from lira_jax.signals import score as scoring
        from lira_jax.signals import table

        start.check_devices()
        e = experiment
        augment.check_size(dataset.x.shape, augment=e.augment, shift=e.shift, queries=e.queries)
        normalizer = normalize.fit(dataset.x, e.normalize)
        networks = [network.make(e, dataset, normalizer) for _, e in runs]
        code = [fingerprint.of(e, dataset) for _, e in runs]
        for (trained, e), one, own in zip(runs, networks, code, strict=True):
            scoring.check(experiment, one, dataset)
            trained.check_code(own, recipe.flag(e))
            diagnoses.check_trained(trained, e.num_models)
        sets = run_data.read_probes(experiment, dataset, normalizer)
        parts.check_own_devices()
        run_data.settle_probes(experiment, sets, [r for r, _ in runs])
        for (trained, e), own in zip(runs, code, strict=True):
            trained.settle_code(own, recipe.flag(e))
        opening.store(runs)
    flags.open_with(run_data.line(run, dataset))

    convolutional = any(one.convolutional for one in networks)
    if convolutional and (by := recipe.convolutions(experiment)):
        flags.open_with(by)
    views = {"": layout.POOL, **{name: layout.probes(name) for name in sets}}
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
    if not workers.inside():
        for run, e in runs if asked else ():
            release.release(run, e, ids, asked)
    if ids and not workers.inside():
        for (run, e), kind in zip(runs, ("models", "targets"), strict=False):
            number = table.queries(e.signal_names, e)
            queries = f"x {number} {'query' if number == 1 else 'queries'} each"
            for name, examples in {"": dataset, **sets}.items():
                if scored := len(missing[run, name]):
                    what, where = ("probes", f" on {name}") if name else ("examples", "")
                    note(f"scored {scored} {kind}{where}: {len(examples.y)} {what} {queries}")


def cli() -> None:
    flags.run("lira-score", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
