"""Training of ONE model: its initial state and its step. Nothing here knows of ensembles."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from lira_jax.data import augment
from lira_jax.data.normalize import Normalizer
from lira_jax.experiment import Experiment

_INIT, _BATCHES, _AUGMENT = range(3)  # uses of a model's key


class TrainState(NamedTuple):
    """What training changes: weights, BatchNorm's running statistics, the optimiser's memory."""

    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self) -> dict[str, Any]:
        """As the module's apply takes them."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def model_key(seed: int, model_id):
    """The root of all randomness of one model."""
    return jax.random.fold_in(jax.random.key(seed), model_id)


def batch_key(seed: int, model_id):
    """The key of one model's batches."""
    return jax.random.fold_in(model_key(seed, model_id), _BATCHES)


def make_init(
    module: nn.Module,
    optimizer: optax.GradientTransformation,
    seed: int,
    example_shape: tuple[int, ...],
) -> Callable:
    """Builds init(model_id) -> TrainState."""

    def init(model_id) -> TrainState:
        key = jax.random.fold_in(model_key(seed, model_id), _INIT)
        variables = module.init(key, jnp.zeros((1, *example_shape)), train=False)
        params = variables["params"]
        return TrainState(params, variables.get("batch_stats", {}), optimizer.init(params))

    return init


def make_train_step(
    module: nn.Module,
    optimizer: optax.GradientTransformation,
    normalize: Normalizer,
    experiment: Experiment,
) -> Callable:
    """Builds train_step(state, model_id, index, step, images, labels) -> (state, loss).

    Args of the result: index int [B], the batch; step int, from 0; images [N, ...] and labels [N],
    resident on the device. The loss is the cross-entropy of the (smoothed) labels without the
    penalty.
    """
    e = experiment

    def train_step(state: TrainState, model_id, index, step, images, labels):
        key = jax.random.fold_in(jax.random.fold_in(model_key(e.seed, model_id), _AUGMENT), step)
        view_key, cutout_key = jax.random.split(key)
        x = normalize(
            augment.random_view(view_key, images, index, augment=e.augment, shift=e.shift)
        )
        if e.augment == "mirror_shift_cutout":
            x = augment.random_cutout(cutout_key, x, e.cutout)
        y = labels[index]

        def loss_of(params):
            logits, updates = module.apply(
                {"params": params, "batch_stats": state.batch_stats},
                x,
                train=True,
                mutable=["batch_stats"],
            )
            targets = optax.smooth_labels(jax.nn.one_hot(y, logits.shape[-1]), e.label_smoothing)
            loss = optax.softmax_cross_entropy(logits.astype(jnp.float32), targets).mean()
            return loss, updates.get("batch_stats", {})

        (loss, batch_stats), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        return TrainState(optax.apply_updates(state.params, updates), batch_stats, opt_state), loss

    return train_step


def on_batch(train_step: Callable) -> Callable:
    """Turns a step that picks its batch from the resident data into one that is given the batch.

    Returns:
      step(state, model_id, images [B, ...], labels [B], step) -> (state, loss), with the same
      result.
    """

    def of_batch(state, model_id, images, labels, step):
        return train_step(state, model_id, jnp.arange(len(labels)), step, images, labels)

    return of_batch


def scan_epoch(train_step: Callable) -> Callable:
    """Turns a step into a whole epoch in one program.

    Returns:
      train_epoch(state, model_id, indices [S, B], first_step, images, labels) -> (state, losses
      [S]).
    """

    def train_epoch(state, model_id, indices, first_step, images, labels):
        def body(state, batch):
            index, step = batch
            return train_step(state, model_id, index, step, images, labels)

        return jax.lax.scan(body, state, (indices, first_step + jnp.arange(len(indices))))

    return train_epoch
