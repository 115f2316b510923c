"""Writes the page and the pictures of a run."""

from lira_jax.attacks.selection import table_of
from lira_jax.data.dataset import Dataset
from lira_jax.report import figures, material, page, wording
from lira_jax.report.wording import Headline
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import PAGE


def write_page(
    run: RunDirectory, dataset: Dataset | None, out: RunDirectory | None = None
) -> Headline:
    """Writes report/index.html, and pictures as PNG and PDF beside it.

    Args:
      run: evaluated by lira-attack.
      dataset: its data; None where they are not at hand, then the page shows no examples.
      out: where page and pictures go; the run directory itself by default.

    Returns:
      What stands at the top of the page.

    Raises:
      UserError: results.json or a dump is missing or damaged.
    """
    found = material.read_results(run)
    if found.stored:
        found = material.read_examples(run, found, dataset)
    attacks = table_of(found.results.attacks, found.results.compat)
    out = out or run
    out.write_text(PAGE, page.render(found, {n: (a.summary, a.source) for n, a in attacks.items()}))
    for name, figure in figures.draw(found).items():
        figures.save(figure, out.replacing, name)
    return wording.headline(found.results.attacks)
