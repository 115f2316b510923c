"""What code of the user's own computes, as a hash: have the models of one run been trained, and
are they scored, by the same program?

Hashed is the StableHLO text of the functions, lowered for a CPU from shapes alone. It has no names
of files, lines or comments, and does not depend on the machine and its devices; what it says of the
same code can change with JAX or Flax, whose versions stand beside the hash.
"""

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from lira_jax.data.dataset import Dataset
from lira_jax.experiment import Experiment
from lira_jax.models import network, recipe

PACKAGES = ("jax", "jaxlib", "flax", "optax")
"""Packages that have a part in the text."""

_CALLBACK = "callback"  # of Python, by an address in this process


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """Of the functions of a model that are the user's own.

    Attributes:
      sha256: of what they compute.
      versions: of PACKAGES, in words; hashes under others cannot be compared.
    """

    sha256: str
    versions: str


def of(experiment: Experiment, dataset: Dataset) -> Fingerprint | None:
    """The fingerprint of what an experiment takes from the user.

    Args:
      dataset: of the run; only its shapes and classes are read.

    Returns:
      None where all code is ours; where it calls back into Python, which no text tells; and where
      it is for a GPU or TPU alone.
    """
    if not recipe.flag(experiment):
        return None
    context, digest = recipe.context(experiment, dataset), hashlib.sha256()
    own = recipe.load(context) if experiment.recipe else None
    for function, arguments in _of_module(context) if own is None else _of_recipe(context, own):
        traced = jax.jit(function).trace(*arguments)
        try:
            text = traced.lower(lowering_platforms=("cpu",)).as_text()
        except (NotImplementedError, ValueError):  # such as a kernel in Pallas
            return None
        if _CALLBACK in text:
            return None
        digest.update(text.encode())
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return Fingerprint(digest.hexdigest(), ", ".join(versions))


Traced = Iterator[tuple[Callable, tuple[Any, ...]]]


def _of_module(context: recipe.Context) -> Traced:
    """Initial variables, and the network in training and in evaluation."""
    module, batch = context.module, recipe.abstract_batch(context)
    init = network.initialiser(module, context.example_shape)
    key = jax.eval_shape(lambda: jax.random.key(0))

    def training(variables, inputs, key):
        rngs = {"params": key, "dropout": key}
        return module.apply(variables, inputs, train=True, mutable=["batch_stats"], rngs=rngs)

    variables = jax.eval_shape(init, key)
    yield init, (key,)
    yield training, (variables, batch.inputs, key)
    yield network.evaluator(module), (variables, batch.inputs)


def _of_recipe(context: recipe.Context, own: recipe.Recipe) -> Traced:
    """All functions of the recipe."""
    batch = recipe.abstract_batch(context, reference=own.reference)
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(own.init, key)
    variables = jax.eval_shape(own.variables, state)
    outputs = jax.eval_shape(own.outputs, variables, batch.inputs)
    yield own.init, (key,)
    yield own.step, (state, batch, key)
    yield own.variables, (state,)
    yield own.outputs, (variables, batch.inputs)
    for _, measure in sorted(own.signals.items()):
        yield measure, (jax.ShapeDtypeStruct(outputs.shape, jnp.float32), batch.labels)
