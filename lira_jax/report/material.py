"""What a page is made of, read from a run directory; whatever is missing stays None."""

import dataclasses
import os
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from lira_jax import progress
from lira_jax.audit.results import Results
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.evaluation import exposure as exposure_lib
from lira_jax.experiment import named_as_now
from lira_jax.runs import data as run_data
from lira_jax.runs import directory, layout, stops

SHOWN = 12
"""Examples that the page shows."""


@dataclasses.dataclass(frozen=True)
class Exposed:
    """What tells how exposed each example is.

    Attributes:
      labels: int [examples].
      keep: bool [models, examples].
      phi: float32 [models, examples], the plain query.
      exposure: float64 [examples]; NaN where too few models trained on it, or too few did not.
      sources: int8 [examples], indices into source_names; None without outliers.
      source_names: of the pool and the kinds of outliers put into it.
      gains: of text, example -> how much likelier members find each of its tokens, float64
        [tokens]: the mean of log p in models that trained on it, less that in others. Of those that
        are shown, if log p of tokens is saved.
    """

    labels: np.ndarray
    keep: np.ndarray
    phi: np.ndarray
    exposure: np.ndarray
    sources: np.ndarray | None = None
    source_names: tuple[str, ...] = ()
    gains: Mapping[int, np.ndarray] = dataclasses.field(default_factory=dict)

    def most(self, shown: int = SHOWN) -> list[int]:
        """The most exposed examples, in their order."""
        known = np.count_nonzero(~np.isnan(self.exposure))  # NaN sorts last
        return [int(i) for i in np.argsort(-self.exposure, kind="stable")[: min(shown, known)]]


@dataclasses.dataclass(frozen=True)
class Material:
    """A finished run.

    Attributes:
      name: of the run directory.
      results: what lira-attack has found.
      stored: experiment.json; empty for results of another tool's dumps.
      metrics: the last record of each model that lira-attack used.
      target_metrics: that of each target, of the same run or another; empty for targets from
        outside.
      labels: int [examples], or None.
      exposed: single examples, or None.
      dataset: the examples, or None.
    """

    name: str
    results: Results
    stored: dict[str, Any]
    metrics: list[dict[str, Any]]
    target_metrics: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    labels: np.ndarray | None = None
    exposed: Exposed | None = None
    dataset: Dataset | None = None

    @property
    def experiment(self) -> dict[str, Any]:
        """The experiment's fields, empty if unknown."""
        return named_as_now(self.stored.get("experiment", {}))

    @property
    def is_text(self) -> bool:
        """Whether the models are of text."""
        return self.experiment.get("dataset") == "text"

    def class_name(self, label: int) -> str:
        """The label's name, or its number; empty for text, which has no classes."""
        if self.is_text:
            return ""
        names = self.dataset.class_names if self.dataset is not None else ()
        return names[label] if label < len(names) else str(label)


def read_results(run: directory.RunDirectory) -> Material:
    """The small files: enough for a comparison, and for results of another tool's dumps.

    Raises:
      UserError: results.json is missing, damaged or without an evaluated attack.
    """
    results = Results.read(run.path)
    stored = _stored(run) if (run.path / layout.EXPERIMENT).exists() else {}
    target_run = directory.RunDirectory(run.path / (results.target_run or "."))
    metrics = _last_records(run, results.models)
    target_metrics = _last_records(target_run, results.targets)
    return Material(
        os.path.basename(os.path.realpath(run.path)), results, stored, metrics, target_metrics
    )


def _stored(run: directory.RunDirectory) -> dict[str, Any]:
    """What experiment.json says; of where and when, as far as it is of the right kind.

    Raises:
      UserError: it holds no experiment.
    """
    stored = run.read_json(layout.EXPERIMENT, "lira-train")
    if not (isinstance(stored, dict) and isinstance(stored.get("experiment"), dict)):
        raise UserError(f"{run.path / layout.EXPERIMENT}: it holds no experiment; restore it")
    kinds = {"experiment": dict, "versions": dict}
    return {n: v for n, v in stored.items() if isinstance(v, kinds.get(n, str))}


def read_examples(
    run: directory.RunDirectory, material: Material, dataset: Dataset | None
) -> Material:
    """Adds what is known of single examples. Only the plain query is kept in memory.

    Of a run without phi, such as one of a recipe without classes, these are the labels alone.

    Raises:
      UserError: a dump is missing or damaged.
    """
    models = [int(model) for model in material.results.models]  # of a run of ours: no path
    labels = run.read(layout.POOL.labels, (None,))
    material = dataclasses.replace(material, labels=labels, dataset=dataset)
    if "phi" not in run.saved_signals():
        progress.note("the page shows no single examples: the signal phi is not saved")
        return material
    keep = run.read(layout.KEEP, (material.experiment["num_models"], len(labels)))[models]
    phi = np.empty(keep.shape, np.float32)
    stopped = stops.of_models(run, run.read_experiment(), material.results.stop_at)
    for row, model in enumerate(progress.each("read", models, "models")):
        file = stopped[model].view.signal("phi", model)
        phi[row] = run.read(file, (len(labels), None))[:, 0]
    try:
        exposed = Exposed(labels, keep, phi, exposure_lib.exposure(phi[:, :, None], keep))
        if found := run_data.sources(run):
            exposed = dataclasses.replace(exposed, sources=found[0], source_names=tuple(found[1]))
        if "token_losses" in run.saved_signals():
            files = [stopped[m].view.signal("token_losses", m) for m in models]
            exposed = dataclasses.replace(exposed, gains=_gains(run, files, exposed))
    except UserError as error:  # too few models in or out of some training set
        progress.note(f"the page shows no single examples: {error}")
        exposed = None
    return dataclasses.replace(material, exposed=exposed)


def _gains(
    run: directory.RunDirectory, files: list[str], exposed: Exposed
) -> dict[int, np.ndarray]:
    """`Exposed.gains` of the examples that are shown, from the dumps of the models."""
    shown = exposed.most()
    keep = exposed.keep[:, shown]
    total = np.zeros(0)
    for file, member in zip(progress.each("read tokens", files, "models"), keep, strict=True):
        log_p = run.read(file, (len(exposed.labels), None, None))[shown, 0].astype(np.float64)
        weight = np.where(member, 1 / keep.sum(0), -1 / (~keep).sum(0))
        total = log_p * weight[:, None] + (total if total.size else 0)
    return dict(zip(shown, total, strict=True))


def _last_records(run: directory.RunDirectory, models: Collection) -> list[dict[str, Any]]:
    """The last record of metrics.jsonl of each of these models, as far as there is one."""
    last = {r["model"]: r for r in run.read_metrics() if r.get("model") in models}
    return [last[model] for model in sorted(last)]
