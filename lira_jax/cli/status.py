"""lira-status: what is finished in a run directory, what is not, and how to go on."""

import pathlib
import sys

from lira_jax.cli import flags
from lira_jax.runs import status as run_status
from lira_jax.runs.directory import RunDirectory

SUMMARY = (
    "prints what is finished in a run directory, what is running or was killed, what is damaged, "
    "and the command to go on with. It changes nothing. Exit status 1 says that something is "
    "damaged."
)


def main() -> None:
    status = run_status.inspect(RunDirectory(flags.FLAGS.workdir), _read_results)
    print(run_status.as_text(status))
    if status.damaged:
        sys.exit(1)


def _read_results(path: pathlib.Path):
    from lira_jax.audit.results import Results  # which a run has only at its end: it takes a second

    return Results.read(path)


def cli() -> None:
    flags.run("lira-status", SUMMARY, [], main)


if __name__ == "__main__":
    cli()
