"""lira-report: writes the page and the figures of a run, or a page that compares runs."""

import numpy as np

from lira_jax.attacks.table import ATTACKS
from lira_jax.cli import flags
from lira_jax.errors import UserError
from lira_jax.progress import note
from lira_jax.report import charts, compare, figures, material, page, wording
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory

flags.DEFINE_list(
    "compare",
    [],
    "Run directories to set beside --workdir on one page, report/compare.html in it: "
    "--compare=RUN_B,RUN_C.",
)

SUMMARY = (
    "writes report/index.html, one file with everything about a run that lira-attack has "
    "evaluated, and figures as PNG and PDF; with --compare, one page about several runs."
)


def main() -> None:
    run = RunDirectory(flags.FLAGS.workdir)
    if flags.FLAGS.compare:
        write_comparison(run, flags.FLAGS.compare)
    else:
        write_page(run)


def write_page(run: RunDirectory) -> None:
    """Writes the page and the static figures of one run."""
    found = material.read_results(run)
    if found.stored:
        _, experiment = flags.open_run()
        try:
            dataset = run_data.load_data(run, experiment)
        except UserError as error:  # the data may be on another machine, the scores are here
            note(f"the page shows no images or features: {error}")
            dataset = None
        found = material.read_examples(run, found, dataset)
    run.write_text(
        "report/index.html",
        page.render(found, {n: (a.summary, a.source) for n, a in ATTACKS.items()}),
    )
    for name, figure in static_figures(found).items():
        figures.save(figure, run.replacing, name)
    note(f"the page is {run.path / 'report/index.html'}, figures are beside it")


def static_figures(found: material.Material) -> dict:
    """Name -> matplotlib figure, of what the results hold."""
    results = found.results
    attacks = results["attacks"]
    shown = {
        name: attacks[name]
        for name in charts.familiar(list(attacks), wording.headline(attacks).attack)
    }
    curves = {
        name: (np.array(r["roc"]["fpr"]), np.array(r["roc"]["tpr"]), r["auc"]["value"])
        for name, r in shown.items()
    }
    drawn = {"roc": figures.roc(curves, 1 / min(r["num_nonmembers"] for r in attacks.values()))}
    if found.exposure is not None:
        x = found.dataset.x if found.dataset is not None and found.dataset.is_image else None
        drawn["exposure"] = figures.exposure_histograms(
            found.phi, found.keep, found.labels, found.exposure, x
        )
    if results.get("ablation"):
        drawn["ablation"] = figures.ablation(results["ablation"])
    if results.get("num_shadows"):
        drawn["num_shadows"] = figures.number_of_shadows(results["num_shadows"])
    if results.get("risk"):
        drawn["privacy_risk"] = figures.privacy_risk(
            results["risk"]["cumulative"], results["risk"]["calibration"]
        )
    return drawn


def write_comparison(run: RunDirectory, others: list[str]) -> None:
    """Writes the page that compares a run with others."""
    paths = list(dict.fromkeys([str(run.path), *(path for path in others if path)]))
    if len(paths) < 2:
        raise UserError(f"--compare={','.join(others)}: name a run other than --workdir={run.path}")
    runs = [material.read_results(RunDirectory(path)) for path in paths]
    run.write_text("report/compare.html", compare.render(runs, compare.distinct_names(paths)))
    note(f"the comparison is {run.path / 'report/compare.html'}")


def cli() -> None:
    flags.run("lira-report", SUMMARY, ["compare"], main)


if __name__ == "__main__":
    cli()
