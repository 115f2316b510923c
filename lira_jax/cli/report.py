"""lira-report: writes the page and the figures of a run, or a page that compares runs."""

import os

from lira_jax.cli import flags, opening
from lira_jax.errors import UserError
from lira_jax.progress import note
from lira_jax.report import benchmark, compare, terminal, wording, write
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import COMPARISON, COMPARISON_TABLE, KNOWN_TABLE, PAGE, RESULTS

flags.DEFINE_list(
    "compare",
    [],
    "Run directories to set beside --workdir on one page, report/compare.html in it: "
    "--compare=RUN_B,RUN_C.",
)

flags.DEFINE_string(
    "compare_attack",
    "",
    "The attack that --compare judges all runs by; by default the first that was run in all of "
    f"{', '.join(wording.FIXED)}.",
)

SUMMARY = (
    "writes report/index.html, one file with everything about a run that lira-attack has "
    "evaluated, and figures as PNG and PDF; with --compare, one page about several runs."
)


def main() -> None:
    run = RunDirectory(flags.FLAGS.workdir)
    out = RunDirectory(flags.FLAGS.out or run.path)
    out.sweep_beside(PAGE)
    if flags.FLAGS.compare:
        others = [os.path.expanduser(path) for path in flags.FLAGS.compare]
        write_comparison(run, out, others, flags.FLAGS.compare_attack)
    else:
        write_page(run, out)


def write_page(run: RunDirectory, out: RunDirectory) -> None:
    """Writes the page and the pictures of one run to `out`."""
    if run.is_own(KNOWN_TABLE) and not (run.path / RESULTS).exists():
        raise UserError(
            f"--workdir={run.path}: it has the tables of an attacker who knows members, "
            f"{KNOWN_TABLE}, and no page is made of them; run lira-attack --protocol=shadows first"
        )
    dataset = None
    if run.has_experiment():
        _, experiment = opening.open_run()
        try:
            dataset = run_data.load_data(run, experiment)
        except UserError as error:  # the data may be on another machine, the scores are here
            note(f"the page shows no images or features: {error}")
        flags.open_with(run_data.line(run, dataset))
    headline = write.write_page(run, dataset, out)
    print(headline.sentence, flush=True)
    note(f"the page is {out.path / PAGE}, figures are beside it")


def write_comparison(run: RunDirectory, out: RunDirectory, others: list[str], attack: str) -> None:
    """Writes to `out` the page that compares a run with others by one attack."""
    paths = list(dict.fromkeys([str(run.path), *(path for path in others if path)]))
    if len(paths) < 2:
        raise UserError(f"--compare={','.join(others)}: name a run other than --workdir={run.path}")
    for path in paths[1:]:
        if not os.path.isdir(path):
            raise UserError(f"--compare={path}: there is no such directory")
    if naive := [path for path in paths if benchmark.is_naive(path)]:
        raise UserError(
            f"--compare={','.join(others)}: {naive[0]} is shown with the defence that it is about; "
            "leave it out"
        )
    entries = [benchmark.read(RunDirectory(path)) for path in paths]
    runs, names = [entry.run for entry in entries], compare.distinct_names(paths)
    out.write_text(COMPARISON, compare.render(runs, names, attack, entries))
    attack = compare.common_attack(runs, names, attack)
    metric = compare.common_metric(runs, attack)
    rows, on = benchmark.figures(entries, names, attack, metric)
    out.write_text(COMPARISON_TABLE, benchmark.to_csv(rows, on, metric, attack))
    table = benchmark.of_terminal(rows, on, metric, attack)
    print(f"{table.title}\n{terminal.of_table(table)}")
    note(f"the comparison is {out.path / COMPARISON}")


def cli() -> None:
    flags.run("lira-report", SUMMARY, ["compare", "compare_attack", "out"], main)


if __name__ == "__main__":
    cli()
