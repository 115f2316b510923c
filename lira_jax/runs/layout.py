"""The files of a run directory: the only module that spells their names."""

import dataclasses
from collections.abc import Iterable

EXPERIMENT = "experiment.json"
KEEP = "keep.npy"
"""Who trained on what, bool [models, examples]."""
REFERENCE = "reference.npy"
"""The defender's own non-members, bool [examples], which are not attacked."""
SOURCES = "sources.npy"
"""Where each example comes from, an index of `data.outliers.names`, int [examples]."""
DATA = "data.npz"
"""The examples that a run was begun with, where they were given as arrays."""
METRICS = "metrics.jsonl"
PLAN = "plan.json"
PRIVACY = "privacy.json"
"""What training with noise proves, as `defences.accounting.epsilon` gives it."""
EXPOSURE = "exposure.npy"
LT_IQR = "lt_iqr.npy"
"""How much the loss of an example moves in training, float32 [targets, examples]."""
RESULTS = "results.json"
RESULTS_TABLE = "results.csv"
ACCUSATIONS = "accusations.csv"
KNOWN_TABLE = "known.csv"
KNOWN_EPOCHS_TABLE = "known_epochs.csv"
HALF_KNOWN_TABLE = "half_known.csv"
VARIANTS_TABLE = "variants.csv"
EPOCHS_TABLE = "epochs.csv"
RESULT_SET = "attacks/manifest.json"
"""Whose results are here, and the hashes of results.json and of all scores."""
NAIVE = "naive"
"""Under results against a defence, those of an attacker who does not know it."""
PAGE = "report/index.html"
COMPARISON = "report/compare.html"
COMPARISON_TABLE = "report/compare.csv"


@dataclasses.dataclass(frozen=True)
class View:
    """What the models said of some examples: of the pool, in the end or after an epoch, or of a
    set of probes.

    The files under its folder have the same names in every view.

    Attributes:
      folder: in the run directory; empty for the run directory itself.
    """

    folder: str

    @property
    def name(self) -> str:
        """Of a set of probes, or the epoch's number; empty for the pool in the end."""
        return self.folder.rpartition("/")[2]

    @property
    def labels(self) -> str:
        """Name of the labels, int32 [examples]."""
        return self._under("labels.npy")

    def signal(self, name: str, model: int) -> str:
        """Name of the dump of one model's signal, float32.

        phi is [examples, queries], logits [examples, classes] or [examples, queries, classes],
        other signals are [examples, queries, ...], or [examples, ...] of the plain query alone.
        """
        return f"{self._of_signal(name)}{model:04d}.npy"

    def seconds(self, model: int) -> str:
        """Name of how long a model's release took, seconds, float32 [1]."""
        return self._under(f"seconds/{model:04d}.npy")

    def signals(self, names: Iterable[str]) -> list[str]:
        """The signals that some file names are dumps of, phi and logits first."""
        found = set()
        for file in names:
            for signal in _SIGNAL_FOLDERS:
                if file.startswith(self._of_signal(signal)):
                    found.add(signal)
            if file.startswith(self._under("signals/")):
                found.add(file.removeprefix(self._under("signals/")).split("/")[0])
        return sorted(found, key=lambda name: (name != "phi", name != "logits", name))

    def _of_signal(self, name: str) -> str:
        return self._under(_SIGNAL_FOLDERS.get(name, f"signals/{name}/"))

    def _under(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


def fact(name: str) -> str:
    """Name of what is known of the pool's examples themselves, [examples]."""
    return f"{FACTS}{name}.npy"


_SIGNAL_FOLDERS = {"phi": "scores/", "logits": "logits/"}

POOL = View("")
"""The examples that the training sets were drawn from."""


def probes(name: str) -> View:
    """The view of a set of probes, examples that are in no training set."""
    return View(f"probes/{name}")


def is_probes(view: View) -> bool:
    """Whether a view is of a set of probes, not of the pool."""
    return view.folder.startswith("probes/")


def epoch(number: int) -> View:
    """The view of the pool by the models as they were after so many epochs of training."""
    return View(f"epochs/{number:04d}")


def released(name: str) -> View:
    """The view of the pool by what the models release in the place of their logits."""
    return View(f"{RELEASED}{name}")


def attack(name: str) -> str:
    """Name of the scores of an attack, float32 [targets, examples]."""
    return f"{_ATTACKS}{name}.npy"


def attack_of(file: str) -> str | None:
    """The attack whose scores a file has; None if it has no attack's."""
    return file.removeprefix(_ATTACKS).removesuffix(".npy") if file.startswith(_ATTACKS) else None


def figure(name: str, suffix: str) -> str:
    """Name of a picture of the report."""
    return f"report/{name}{suffix}"


_ATTACKS, DIAGNOSIS, CODE, RELEASED = "attacks/", "diagnosis/", "code", "released/"
FACTS = "examples/"
IDENTITY = "run"


def diagnosis(model: int) -> str:
    """Name of the manifest's entry of how healthy a model is."""
    return f"{DIAGNOSIS}{model:04d}"


_WRITTEN_BY = {
    KEEP: "lira-train",
    "labels.npy": "lira-train",
    SOURCES: "lira-train",
    "examples": "lira-train",
    REFERENCE: "lira-train",
    "scores": "lira-score",
    "logits": "lira-score",
    "signals": "lira-score --signals",
    "probes": "lira-score --probes",
    "epochs": "lira-train, once the model's folder in checkpoints/ is removed",
    "released": "lira-score --release",
    "attacks": "lira-attack",
    EXPOSURE: "lira-attack",
    LT_IQR: "lira-attack --at_epochs",
    ACCUSATIONS: "lira-attack",
    KNOWN_TABLE: "lira-attack --protocol=known",
    KNOWN_EPOCHS_TABLE: "lira-attack --protocol=known --at_epochs",
    HALF_KNOWN_TABLE: "lira-attack --protocol=half_known",
}


FIRST_DUMPS = {
    "train": (KEEP,),
    "score": (*_SIGNAL_FOLDERS.values(), "signals/", "epochs/"),
    **{name: (f"signals/{name}/",) for name in ("boundary_distance", "merlin")},
}
"""Stage, or signal -> what begins to exist once the fields that it fixes are fixed."""


def written_by(name: str) -> str:
    """The command that writes a file; of a name that a damaged manifest has, all that may."""
    return _WRITTEN_BY.get(name.split("/")[0], "lira-train, lira-score or lira-attack")
