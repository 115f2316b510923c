"""All defences at the output by name: the one table that drives --release.

To add one, write a function of logits in a file beside this one and a line here. Nothing here needs
JAX, for `--help` shows the table.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from lira_jax.defences import outputs
from lira_jax.errors import UserError, bad_choice


@dataclasses.dataclass(frozen=True)
class Release:
    """What a model releases in the place of its logits.

    Attributes:
      summary: what it is, in a line.
      source: the paper with its year.
      value: what the number after the colon is, with its unit; empty if it takes none.
      default: the number if none is given; None where one must be given or may be left out.
      of_logits: (logits [..., classes], number) -> probabilities of the same shape; None for one
        that is fitted to the model's members (`interop.release`).
      gives_logits: whether it gives logits instead.
      whole: whether the number must be whole.
    """

    summary: str
    source: str
    value: str
    default: float | None
    of_logits: Callable[[np.ndarray, float], np.ndarray] | None
    gives_logits: bool = False
    whole: bool = False


RELEASES: dict[str, Release] = {
    "temperature": Release(
        "softmax(z / T)",
        "Hintersdorf et al. 2022",
        "T, > 0",
        10.0,
        outputs.temperature,
        gives_logits=True,
    ),
    "round": Release(
        "rounded probabilities",
        "Shokri et al. 2017",
        "decimals",
        1,
        outputs.rounded,
        whole=True,
    ),
    "top_k": Release(
        "the largest probabilities, the rest spread evenly",
        "Shokri et al. 2017",
        "how many",
        3,
        outputs.top_k,
        whole=True,
    ),
    "argmax": Release(
        "the predicted label alone", "Choquette-Choo et al. 2021", "", None, outputs.argmax
    ),
    "laplace": Release(
        "the mean of the softmax under a Laplace approximation of the last layer",
        "Hintersdorf et al. 2022",
        "variance of the prior, > 0; without one it is chosen on held-out non-members",
        None,
        None,
    ),
    "memguard": Release(
        "noise that makes a classifier of members say one half and keeps the label",
        "Jia et al. 2019",
        "budget of the mean L1 distortion, > 0; without one the noise is always added",
        None,
        None,
        gives_logits=True,
    ),
}


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A release with its number.

    Attributes:
      name: of RELEASES.
      number: None where it has none.
    """

    name: str
    number: float | None

    @property
    def folder(self) -> str:
        """Its name in the run directory, such as temperature_10."""
        return self.name if self.number is None else f"{self.name}_{self.number:g}"


def parse(spec: str, flag: str = "--release") -> list[Chosen]:
    """The releases in a list such as temperature:10,round:1,argmax.

    Raises:
      UserError: an unknown name, or a number that makes no sense.
    """
    found = []
    for part in (p.strip() for p in spec.split(",") if p.strip()):
        name, colon, text = part.partition(":")
        if name not in RELEASES:
            raise bad_choice(flag, name, RELEASES)
        line = RELEASES[name]
        number = line.default
        if colon:
            try:
                number = float(text)
            except ValueError:
                number = math.nan
            fits = math.isfinite(number) and (number > 0 or (name == "round" and number == 0))
            if not line.value or not fits or (line.whole and number % 1):
                takes = line.value or "no number"
                raise UserError(f"{flag}={part}: {name} takes {takes} after the colon")
        found.append(Chosen(name, number))
    return list(dict.fromkeys(found))


def help_text() -> str:
    """All releases in a sentence each, for --help."""
    lines = []
    for name, line in RELEASES.items():
        default = "" if line.default is None else f", default {line.default:g}"
        value = f"[:{line.value}{default}]" if line.value else ""
        lines.append(f"{name}{value}: {line.summary} ({line.source}).")
    return " ".join(lines)
