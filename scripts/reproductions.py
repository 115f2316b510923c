#!/usr/bin/env python3
"""What each config gives here, beside the figure that was published: the table of a page.

    python scripts/reproductions.py [RUN ...] > docs/measurements/reproductions.md

A RUN is a finished run directory; it stands for the config whose flags its experiment has. Its
figures are those of its results.json, with their 95 % intervals. Without a run of a config, an AUC
is the one that the config's header says to expect; what is in neither is "not run". The rows of
Song and Mittal's protocol, over several seeds, are those of docs/measurements/location30.md.
"""

import dataclasses
import datetime
import pathlib
import re
import sys

from lira_jax.audit.results import Results
from lira_jax.cli import flags, opening
from lira_jax.errors import UserError
from lira_jax.experiment import DATA_PLACES, Experiment
from lira_jax.runs.directory import RunDirectory

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIRA = "Carlini et al. 2022, tables I to III"
ELSEWHERE = (*DATA_PLACES, "dataset", "normalize", "models_per_chunk", "strategy", "conv_form")
"""Fields in which a run of a config may differ from it: where the data are, how it is computed."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A figure to reproduce: a metric of an attack, and what was published, "" for nothing."""

    config: str
    attack: str
    metric: str
    published: str = ""
    source: str = ""


LINES = (
    *(Line("digits", a, m) for a in ("lira_online", "loss") for m in ("auc", "tpr_at_1e-2")),
    *(Line("location30_lira", a, "auc") for a in ("lira_online", "lira_offline", "loss")),
    *(Line("fashion_mnist_cnn_cpu", a, "auc") for a in ("lira_online_diagonal", "loss")),
    Line("cifar10_wrn28_2", "lira_online", "tpr_at_1e-3", "8.4 %", LIRA),
    Line("cifar10_wrn28_2", "lira_online", "tpr_at_1e-5", "2.2 %", LIRA),
    Line("cifar10_wrn28_2", "lira_online", "balanced_accuracy", "63.8 %", LIRA),
    Line("cifar10_wrn28_2", "lira_offline", "tpr_at_1e-3", "7.1 %", LIRA),
    Line("cifar10_wrn28_2", "loss", "balanced_accuracy", "59.4 %", LIRA),
    Line("wikitext103_gpt2", "loss", "balanced_accuracy", "50.0 %", LIRA),
    Line("wikitext103_gpt2", "sablayrolles_loss", "balanced_accuracy", "65.7 %", LIRA),
    Line("wikitext103_gpt2", "watson_loss", "balanced_accuracy", "65.4 %", LIRA),
    Line("wikitext103_gpt2", "attack_r", "balanced_accuracy", "65.5 %", LIRA),
    Line("wikitext103_gpt2", "lira_online", "balanced_accuracy", "65.6 %", LIRA),
)


def table(runs: list[RunDirectory]) -> list[list[str]]:
    """Rows of text: config, command, metric, our figure, the published one, its source.

    Raises:
      UserError: a run is of no config of LINES, or is not attacked.
    """
    found = {config_of(run): Results.read(run.path) for run in runs}
    rows = []
    for line in LINES:
        ours = _of_run(found.get(line.config), line) or expected(line) or "not run"
        what = f"`{line.attack}`, {line.metric.replace('_', ' ')}"
        told = [what, ours, line.published or "-", line.source or "-"]
        rows.append([f"`{line.config}`", f"`{command(line.config)}`", *told])
    return rows + song_and_mittal()


def config_of(run: RunDirectory) -> str:
    """The config of LINES that a run was made by.

    Raises:
      UserError: it is none.
    """
    e = run.read_experiment()
    for name in dict.fromkeys(line.config for line in LINES):
        asked, given = _fields(name)
        if all(getattr(e, f) == getattr(asked, f) for f in given if f not in ELSEWHERE):
            return name
    raise UserError(f"{run.path}: its settings are those of no config in this table")


def _fields(config: str) -> tuple[Experiment, set[str]]:
    flags.parse(["reproductions", f"--config={config}"])
    return opening.asked_experiment()


def _header(config: str) -> str:
    text = (ROOT / f"configs/{config}.flags").read_text()
    return "\n".join(line for line in text.splitlines() if line.startswith("#"))


def command(config: str) -> str:
    """The first command of a config's header."""
    starts = r"scripts/\w+\.sh|lira-train"
    return re.search(rf"^# +((?:{starts}) .*?)(?: \\)?$", _header(config), re.M)[1]


def expected(line: Line) -> str:
    """The AUC that a config's header says to expect, "" if it does not."""
    if line.metric != "auc":
        return ""
    found = re.search(rf"\b{line.attack} +(\.\d+) \[(\.\d+), (\.\d+)\]", _header(line.config))
    return "{} [{}, {}]".format(*found.groups()) if found else ""


def _of_run(results: Results | None, line: Line) -> str:
    """The figure of a run; "" where it does not know it."""
    found = results and results.attacks.get(line.attack)
    if not found or not found.metrics[line.metric].is_known:
        return ""
    e = found.metrics[line.metric]
    if line.metric == "auc":
        return f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]".replace("0.", ".")
    return f"{100 * e.value:.1f} % [{100 * e.low:.1f}, {100 * e.high:.1f}]"


def song_and_mittal() -> list[list[str]]:
    """The rows of table 4, of the first tables under its headings."""
    page = (ROOT / "docs/measurements/location30.md").read_text()
    part = page.split("## Song and Mittal 2021, table 4")[1]
    config, source = "location30_memguard", "Song and Mittal 2021, table 4"
    found = []
    for heading, unit in (
        ("### Undefended", "percent"),
        ("### The same with MemGuard", "MemGuard, percent"),
    ):
        own = part.split(heading)[1]
        rows = own[own.index("\n|") + 1 :].split("\n\n")[0].splitlines()
        for what, published, ours, *_ in ([c.strip() for c in r.split("|")[1:-1]] for r in rows):
            if published.replace(".", "").isdigit() and ours:
                figure = f"{what}, {unit}"
                found.append(
                    [f"`{config}`", f"`{command(config)}`", figure, ours, published, source]
                )
    return found


def page(rows: list[list[str]], runs: list[str]) -> str:
    """The page in Markdown."""
    command = f"python scripts/reproductions.py {' '.join(runs)}".strip()
    rows = [
        row if not i or row[0] != rows[i - 1][0] else ["", "", *row[2:]]
        for i, row in enumerate(rows)
    ]
    columns = ["config", "command", "figure", "here, 95 % interval", "published", "source"]
    lines = [" | ".join(row) for row in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(
        [
            "# Reproductions",
            "",
            "What each config gives here beside what was published, made by",
            f"`{command}` ({datetime.date.today()}).",
            "Where a config has no run on the command line, its AUC is the one in its header, with",
            "date and hardware there. *not run*: no figure of ours exists. What was published of",
            "configs/rezaei_*.flags stands in their headers and in `--tables=rezaei`.",
            "",
            *(f"| {line} |" for line in lines),
            "",
        ]
    )


def main() -> None:
    try:
        print(page(table([RunDirectory(path) for path in sys.argv[1:]]), sys.argv[1:]), end="")
    except UserError as error:
        sys.exit(f"reproductions.py: error: {error}")


if __name__ == "__main__":
    main()
