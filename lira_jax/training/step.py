"""One training step of ONE model on the data set. Nothing here knows of ensembles.

All randomness of a model comes from its key, and each use of it has a stream of its own.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from lira_jax.data import augment
from lira_jax.data.normalize import Normalizer
from lira_jax.defences import table as defences
from lira_jax.experiment import Experiment
from lira_jax.models.recipe import Batch, Recipe
from lira_jax.training.batches import PADDING

# Streams of a model's key; another number for one of them would change every result.
_INIT, _BATCHES, _AUGMENT, _STEP, _REFERENCE, _AUGMENT_REFERENCE, _MIX = range(7)


def model_key(seed: int, model_id):
    """The root of all randomness of one model."""
    return jax.random.fold_in(jax.random.key(seed), model_id)


def batch_key(seed: int, model_id):
    """The key of one model's batches."""
    return jax.random.fold_in(model_key(seed, model_id), _BATCHES)


def reference_key(seed: int, model_id):
    """The key of one model's batches of non-members."""
    return jax.random.fold_in(model_key(seed, model_id), _REFERENCE)


def pads(experiment: Experiment) -> bool:
    """Whether batches have places without an example."""
    return "dp_sgd" in defences.parse(experiment.defence)


def make_init(recipe: Recipe, seed: int) -> Callable:
    """Builds init(model_id) -> state."""

    def init(model_id):
        return recipe.init(jax.random.fold_in(model_key(seed, model_id), _INIT))

    return init


def make_step(recipe: Recipe, normalize: Normalizer, experiment: Experiment) -> Callable:
    """Builds train_step(state, model_id, indices, step, images, labels) -> (state, metrics).

    Args of the result: indices, a tuple of int [B], the batch and, if the recipe asks for them,
    non-members; step int, from 0; images [N, ...] and labels [N], resident on the device.
    """
    take = _make_step(recipe, normalize, experiment)

    def train_step(state, model_id, indices, step, images, labels):
        return take(state, model_id, [(images, labels, index) for index in indices], step)

    return train_step


def make_step_on_batches(recipe: Recipe, normalize: Normalizer, experiment: Experiment) -> Callable:
    """As `make_step`, for a step that is given its examples: the same result.

    Returns:
      train_step(state, model_id, batches, step) -> (state, metrics); batches, a tuple of (images
      [B, ...], labels [B]).
    """
    take = _make_step(recipe, normalize, experiment)

    def train_step(state, model_id, batches, step):
        return take(state, model_id, [(x, y, jnp.arange(len(y))) for x, y in batches], step)

    return train_step


def _make_step(recipe: Recipe, normalize: Normalizer, e: Experiment) -> Callable:
    def batch_of(key, images, labels, index) -> Batch:
        weights = jnp.ones(len(index), jnp.float32)
        if pads(e):
            weights, index = (index != PADDING).astype(jnp.float32), jnp.maximum(index, 0)
        view_key, cutout_key = jax.random.split(key)  # as fold_in by 0 and 1
        x = augment.random_view(
            view_key, images, index, augment=e.augment, shift=e.shift, padding=e.padding
        )
        if e.rotation:
            turned = x.astype(jnp.float32)
            x = augment.random_rotation(jax.random.fold_in(key, 2), turned, e.rotation)
        if e.colour_jitter:
            x = x.astype(jnp.float32)
            x = augment.random_colours(jax.random.fold_in(key, 3), x, e.colour_jitter)
        x = normalize(x)
        if e.augment == "mirror_shift_cutout":
            x = augment.random_cutout(cutout_key, x, e.cutout)
        return Batch(x, labels[index], weights)

    def mixed(key, batch: Batch) -> Batch:
        if not (e.mixup or e.cutmix):
            return batch
        if e.mixup:
            x, other, kept = augment.random_mixup(key, batch.inputs, e.mixup)
        else:
            x, other, kept = augment.random_cutmix(key, batch.inputs, e.cutmix)
        return batch._replace(inputs=x, other_labels=batch.labels[other], kept=kept)

    def take(state, model_id, given, step):
        def key(stream: int):
            return jax.random.fold_in(jax.random.fold_in(model_key(e.seed, model_id), stream), step)

        batch = mixed(key(_MIX), batch_of(key(_AUGMENT), *given[0]))
        if recipe.reference:
            batch = batch._replace(reference=batch_of(key(_AUGMENT_REFERENCE), *given[1]))
        return recipe.step(state, batch, key(_STEP))

    return take


def scan_epoch(train_step: Callable) -> Callable:
    """Turns a step on resident data into a whole epoch in one program.

    Returns:
      train_epoch(state, model_id, indices, first_step, images, labels) -> (state, metrics [S]);
      indices, a tuple of int [S, B].
    """

    def train_epoch(state, model_id, indices, first_step, images, labels):
        def body(state, batch):
            index, step = batch
            return train_step(state, model_id, index, step, images, labels)

        steps = first_step + jnp.arange(len(indices[0]))
        return jax.lax.scan(body, state, (indices, steps))

    return train_epoch
