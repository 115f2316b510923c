"""Reads the dumps of a run into the arrays that attacks take."""

import numpy as np

from lira_jax import masks, progress, store
from lira_jax.attacks.evidence import Evidence
from lira_jax.errors import UserError
from lira_jax.evaluation import health
from lira_jax.experiment import Experiment


def load_evidence(run: store.RunDirectory, experiment: Experiment, targets: str) -> tuple[Evidence, list[int]]:
    """Loads scores, logits, masks and labels of all models that learned something.

    Args:
      run: the run directory, scored.
      experiment: of the run.
      targets: "all", or model ids.

    Returns:
      The evidence, and the ids of its models: `evidence.targets` counts in these.

    Raises:
      UserError: a dump is missing or damaged, or a target has diverged.
    """
    labels = run.read("labels.npy", (None,))
    num_models, num_examples = experiment.num_models, len(labels)
    keep = run.read("keep.npy", (num_models, num_examples))
    asked = masks.parse_ids(targets, num_models)
    phi, logits = None, None
    healthy = []
    for model in progress.each("read", range(num_models), "models"):
        own_phi = run.read(store.scores_name(model), (num_examples, None))
        own_logits = run.read(store.logits_name(model))
        if own_logits.ndim == 3:
            own_logits = own_logits[:, 0]
        finite = np.isfinite(own_phi).all(-1) & np.isfinite(own_logits).all(-1)
        wrong = health.diagnose(own_logits.argmax(-1) == labels, finite, labels, keep[model])
        if wrong:
            progress.note(f"WARNING: model {model} has diverged and is left out: {wrong}")
            continue
        if phi is None:
            phi = np.empty((num_models, *own_phi.shape), np.float32)
            logits = np.empty((num_models, *own_logits.shape), np.float32)
        phi[len(healthy)], logits[len(healthy)] = own_phi, own_logits
        healthy.append(model)
    if len(healthy) < 2:
        raise UserError(f"{run.path}: {len(healthy)} of {num_models} models learned anything; lower --learning_rate")
    lost = sorted(set(asked) - set(healthy))
    if lost and targets != "all":
        raise UserError(f"--targets={targets}: model {lost[0]} has diverged; name others")
    positions = np.array([healthy.index(t) for t in asked if t in healthy])
    return Evidence(labels, keep[healthy], phi[: len(healthy)], logits[: len(healthy)], positions), healthy
