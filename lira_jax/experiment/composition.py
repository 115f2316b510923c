"""An experiment: all groups of settings at once."""

import dataclasses
from typing import Any

from lira_jax.experiment.learning import Defence, Model, Targets, Training
from lira_jax.experiment.pool import Data, Masks
from lira_jax.experiment.scoring import Compute, Scoring


@dataclasses.dataclass(frozen=True)
class Experiment(Compute, Scoring, Targets, Defence, Training, Model, Masks, Data):
    """The settings of one experiment; each field's meaning and unit is its `help`.

    An experiment is all of its groups at once, so that a function may ask for no more than the
    group it reads.
    """

    @property
    def is_of_text(self) -> bool:
        """Whether it is of text, as far as can be told before a set of tfds is read."""
        of_tfds = self.dataset.startswith("tfds:") and self.model.startswith("gpt")
        return self.dataset == "text" or of_tfds

    @property
    def signal_names(self) -> list[str]:
        """The names in `signals`; of text, whose logits would fill disks, others by default."""
        if self.is_of_text and self.signals == Scoring.signals:
            return ["phi", "token_losses"]
        return super().signal_names


GROUPS = (Data, Masks, Model, Training, Defence, Targets, Scoring, Compute)
FIELDS = {f.name: f for f in dataclasses.fields(Experiment)}
DATA_PLACES = tuple(n for n, f in FIELDS.items() if f.metadata["fixed_by"] == "data")
"""Fields that say where the data are: paths on this machine."""
DATA_LISTS = ("outliers_from", "probes")
"""Fields that list other data sets, NAME:PATH, comma separated."""


def shown(name: str, value: Any) -> str:
    """A field and its value as one would write them in a flagfile."""
    if name == "target_recipe":
        return f"target_flagfile of {' '.join(shown(*pair) for pair in value) or 'nothing'}"
    return f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
