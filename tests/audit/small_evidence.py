"""Evidence of a few models that know their members a little better than the others."""

import dataclasses

import numpy as np
from null_scores import balanced

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside, Outside
from lira_jax.interop.arrays import phi_from_logits

CLASSES = 3


def small_evidence(models=8, examples=120, gap=2.0, seed=0, targets=None):
    """Evidence with `gap` more on the label's logit where the example was trained on."""
    rng = np.random.default_rng(seed)
    keep = balanced(rng, models, examples)
    labels = rng.integers(0, CLASSES, examples).astype(np.int32)
    logits = rng.normal(size=(models, examples, CLASSES)).astype(np.float32)
    logits[:, np.arange(examples), labels] += 1 + gap * keep
    phi = np.stack([phi_from_logits(z[:, None], labels) for z in logits])
    attacked = Inside(np.arange(models) if targets is None else np.array(targets))
    return Evidence.of_arrays(labels, keep, attacked, phi=phi, logits=logits)


def with_outside_targets(evidence, number, members=None):
    """The same models, of which the first few are judged as if they came from outside."""
    outputs = evidence.signals.of(models=np.arange(number))
    return dataclasses.replace(evidence, targets=Outside(outputs, members))
