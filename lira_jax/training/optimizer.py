"""Optimisers and learning rate schedules of the papers, as optax transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lira_jax.experiment import Experiment


def schedule(experiment: Experiment, total_steps: int) -> optax.Schedule:
    """Learning rate as a function of the step, with t = step / total_steps in [0, 1).

    reference: lr * cos(7 pi / 16 * t) * min(1, 100 t), of tensorflow/privacy's LiRA code; it ends
    near 0.195 of the peak. cosine: lr * (1 + cos(pi t)) / 2 (Loshchilov and Hutter 2017). step: lr
    times drop_factor for each of `drops`, epochs that are behind.
    """
    shapes = {
        "reference": lambda t: jnp.cos(7 * jnp.pi / 16 * t),
        "cosine": lambda t: (1 + jnp.cos(jnp.pi * t)) / 2,
        "linear": lambda t: 1 - t,
        "constant": lambda t: jnp.ones_like(t),
        "step": lambda t: jnp.ones_like(t),
    }
    shape = shapes[experiment.schedule]
    # The first steps of the epochs that follow a drop; compared as whole numbers, none is missed.
    falls = np.array([round(n * total_steps / experiment.epochs) for n in experiment.drops], int)
    warmup = 0.01 if experiment.schedule == "reference" else experiment.warmup

    def rate(step):
        t = step / total_steps
        rise = jnp.minimum(1, t / warmup) if warmup else 1
        if experiment.schedule == "step":
            rise *= experiment.drop_factor ** jnp.sum(step >= falls)
        return experiment.learning_rate * shape(t) * rise

    return rate


def make(experiment: Experiment, total_steps: int) -> optax.GradientTransformation:
    """The optimiser of ONE model.

    Weight decay is an L2 penalty of kernels (dense and convolutional), or with --decayed=all of all
    parameters, added to the gradient before momentum, which is what adding
    weight_decay / 2 * |kernel|^2 to the loss does. That of adamw is taken off the parameters
    themselves, learning rate * weight_decay * kernel in each step (Loshchilov and Hutter 2019,
    https://arxiv.org/abs/1711.05101). Only the gradient of the loss is clipped, before all else
    (Pascanu et al. 2013, https://arxiv.org/abs/1211.5063).
    """
    e, rate = experiment, schedule(experiment, total_steps)
    mask = _is_kernel if e.decayed == "kernels" else None
    penalty = optax.add_decayed_weights(e.weight_decay, mask=mask)
    if e.optimizer == "adamw":
        descent = optax.adamw(
            rate, b1=e.momentum, b2=e.beta2, weight_decay=e.weight_decay, mask=mask
        )
    elif e.optimizer == "adam":
        descent = optax.adam(rate, b1=e.momentum, b2=e.beta2)
    else:
        descent = optax.sgd(rate, momentum=e.momentum or None, nesterov=e.nesterov)
    parts = [
        *([optax.clip_by_global_norm(e.clip_norm)] if e.clip_norm else []),
        *([penalty] if e.weight_decay and e.optimizer != "adamw" else []),
        descent,
    ]
    return optax.chain(*parts) if len(parts) > 1 else descent


def _is_kernel(params):
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
