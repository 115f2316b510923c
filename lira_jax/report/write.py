"""Writes the page and the pictures of a run."""

from lira_jax.attacks.selection import on_signals
from lira_jax.attacks.table import ATTACKS
from lira_jax.data.dataset import Dataset
from lira_jax.report import figures, material, page
from lira_jax.runs.directory import PAGE, RunDirectory


def write_page(run: RunDirectory, dataset: Dataset | None, out: RunDirectory | None = None) -> None:
    """Writes report/index.html, and pictures as PNG and PDF beside it.

    Args:
      run: evaluated by lira-attack.
      dataset: its data; None where they are not at hand, then the page shows no examples.
      out: where page and pictures go; the run directory itself by default.

    Raises:
      UserError: results.json or a dump is missing or damaged.
    """
    found = material.read_results(run)
    if found.stored:
        found = material.read_examples(run, found, dataset)
    attacks = {**ATTACKS, **on_signals(found.results.attacks, ATTACKS)}
    out = out or run
    out.write_text(PAGE, page.render(found, {n: (a.summary, a.source) for n, a in attacks.items()}))
    for name, figure in figures.draw(found).items():
        figures.save(figure, out.replacing, name)
