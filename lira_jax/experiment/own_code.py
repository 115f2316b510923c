"""Code of the user's own that an experiment names: imported only where this call names it too."""

from collections.abc import Collection

from lira_jax.errors import UserError
from lira_jax.experiment.composition import Experiment


def own_code(experiment: Experiment) -> dict[str, str]:
    """Field -> package.module:function, of each field that names code of the user's own."""
    named = {"recipe": experiment.recipe, "model": experiment.model}
    return {n: v for n, v in named.items() if v and (n == "recipe" or ":" in v)}


def check_named(experiment: Experiment, given: Collection[str], where: str) -> None:
    """Checks that the caller names all code that the experiment names.

    A run directory may come from a stranger, and to import a module runs it.

    Args:
      experiment: as it is stored.
      given: names of the fields that the command line, or a call from Python, sets.
      where: the experiment is from.

    Raises:
      UserError: naming the flag to give.
    """
    for name, value in own_code(experiment).items():
        if name not in given:
            raise UserError(
                f"--{name}: {where} names the code {value}, which runs only if you name it too: "
                f"give --{name}={value} if you trust it"
            )
