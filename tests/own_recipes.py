"""Recipes of a user's own: what --recipe may name, and what it may not."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import nnx

from lira_jax.models.recipe import Batch, Context, Recipe
from lira_jax.training import optimizer


class Number(nn.Module):
    """A network that predicts one number."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(16)(x.reshape(len(x), -1)))
        return nn.Dense(1)(x)[:, 0]


class RegressionState(NamedTuple):
    params: Any
    opt_state: Any


def regression(context: Context) -> Recipe:
    """Predicts the label as a number; no softmax, no classes."""
    module = Number()
    descent = optimizer.make(context.experiment, context.total_steps)

    def init(key):
        params = module.init(key, jnp.zeros((1, *context.example_shape)))["params"]
        return RegressionState(params, descent.init(params))

    def step(state, batch: Batch, key):
        def loss_of(params):
            error = module.apply({"params": params}, batch.inputs) - batch.labels
            return jnp.sum(error**2 * batch.weights) / jnp.sum(batch.weights)

        loss, gradient = jax.value_and_grad(loss_of)(state.params)
        updates, opt_state = descent.update(gradient, state.opt_state, state.params)
        return RegressionState(optax.apply_updates(state.params, updates), opt_state), {
            "loss": loss,
            "root_mean_square": jnp.sqrt(loss),
        }

    return Recipe(
        init,
        step,
        variables=lambda state: {"params": state.params},
        outputs=lambda variables, inputs: module.apply(variables, inputs),
        signals={"closeness": lambda outputs, labels: -((outputs - labels) ** 2)},
    )


class Attacker(nn.Module):
    """Tells members from non-members by the outputs of the other network."""

    @nn.compact
    def __call__(self, probabilities, labels):
        x = jnp.concatenate([probabilities, jax.nn.one_hot(labels, probabilities.shape[-1])], -1)
        return nn.Dense(1)(nn.relu(nn.Dense(8)(x)))[:, 0]


def adversarial(context: Context) -> Recipe:
    """A classifier that a second network keeps from telling members (Nasr et al. 2018).

    Each has an optimiser of its own, and the key puts noise on the inputs.
    """
    module, attacker = context.module, Attacker()
    descent = optimizer.make(context.experiment, context.total_steps)
    attack_descent = optax.adam(1e-3)
    example = jnp.zeros((1, *context.example_shape))

    def init(key):
        own, other = jax.random.split(key)
        params = module.init(own, example, train=False)["params"]
        attack = attacker.init(other, jnp.zeros((1, context.num_classes)), jnp.zeros(1, int))
        return {
            "classifier": (params, descent.init(params)),
            "attacker": (attack["params"], attack_descent.init(attack["params"])),
            "steps": jnp.int32(0),
        }

    def probabilities(params, batch):
        return jax.nn.softmax(module.apply({"params": params}, batch.inputs, train=True))

    def gain(attack, own, batch):
        member = attacker.apply({"params": attack}, own, batch.labels)
        outside = batch.reference
        p = jax.lax.stop_gradient(outside.inputs.mean(tuple(range(1, outside.inputs.ndim))))
        other = jax.nn.one_hot(outside.labels, own.shape[-1]) + 0.01 * p[:, None]
        non_member = attacker.apply({"params": attack}, other, outside.labels)
        return (jax.nn.log_sigmoid(member) + jax.nn.log_sigmoid(-non_member)).mean()

    def step(state, batch: Batch, key):
        (params, memory), (attack, attack_memory) = state["classifier"], state["attacker"]
        noise = 0.01 * jax.random.normal(key, batch.inputs.shape)
        batch = batch._replace(inputs=batch.inputs + noise)

        def loss_of(params):
            p = probabilities(params, batch)
            picked = jnp.take_along_axis(p, batch.labels[:, None], 1)[:, 0]
            return -jnp.log(picked + 1e-6).mean() + 0.1 * gain(attack, p, batch)

        loss, slope = jax.value_and_grad(loss_of)(params)
        own = probabilities(params, batch)
        reach, attack_slope = jax.value_and_grad(lambda a: -gain(a, own, batch))(attack)
        updates, memory = descent.update(slope, memory, params)
        attack_updates, attack_memory = attack_descent.update(attack_slope, attack_memory, attack)
        state = {
            "classifier": (optax.apply_updates(params, updates), memory),
            "attacker": (optax.apply_updates(attack, attack_updates), attack_memory),
            "steps": state["steps"] + 1,
        }
        return state, {"loss": loss, "attack_loss": reach}

    return Recipe(
        init,
        step,
        variables=lambda state: {"params": state["classifier"][0]},
        outputs=lambda variables, inputs: module.apply(variables, inputs, train=False),
        reference=True,
    )


class DropoutNet(nn.Module):
    """A Linen network with Dropout."""

    num_classes: int

    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.relu(nn.Dense(16)(x.reshape(len(x), -1)))
        return nn.Dense(self.num_classes)(nn.Dropout(0.5, deterministic=not train)(x))


def dropout(num_classes, dtype):
    return DropoutNet(num_classes)


class Flat(nn.Module):
    """A linear network of any kind of output, with what the given function adds."""

    outputs: int
    change: Callable = lambda module, x, train: x

    @nn.compact
    def __call__(self, x, train: bool):
        return self.change(self, nn.Dense(self.outputs)(x.reshape(len(x), -1)), train)


def one_number(num_classes, dtype):
    return Flat(1)


def one_too_many(num_classes, dtype):
    return Flat(num_classes + 1)


def no_class_axis(num_classes, dtype):
    return Flat(1, lambda module, x, train: x[:, 0])


def two_results(num_classes, dtype):
    return Flat(num_classes, lambda module, x, train: (x, x))


def whole_numbers(num_classes, dtype):
    return Flat(num_classes, lambda module, x, train: x.astype(int))


def random_in_evaluation(num_classes, dtype):
    return Flat(num_classes, lambda module, x, train: nn.Dropout(0.5, deterministic=False)(x))


def more_in_training(num_classes, dtype):
    return Flat(num_classes, lambda module, x, train: nn.Dense(num_classes)(x) if train else x)


def noise_of_its_own(num_classes, dtype):
    def change(module, x, train):
        return x + jax.random.normal(module.make_rng("noise"), x.shape) if train else x

    return Flat(num_classes, change)


def fails_when_made(num_classes, dtype):
    return {}[num_classes]


class NnxNet(nnx.Module):
    """An NNX network with a convolution, BatchNorm and Dropout, for 8x8 images."""

    def __init__(self, num_classes, channels, *, rngs):
        self.conv = nnx.Conv(channels, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.logits = nnx.Linear(4 * 8 * 8, num_classes, rngs=rngs)

    def __call__(self, x, train: bool):
        x = nnx.relu(self.norm(self.conv(x), use_running_average=not train))
        x = x.reshape(len(x), -1)
        return self.logits(self.dropout(x, deterministic=not train))


def nnx_net(num_classes, dtype):
    return nnx.bridge.to_linen(NnxNet, num_classes, 1)


class Counting(nn.Module):
    """A network with variables of a kind that is not kept."""

    num_classes: int

    @nn.compact
    def __call__(self, x, train: bool):
        count = self.variable("counter", "n", lambda: jnp.zeros(()))
        count.value += 1
        return nn.Dense(self.num_classes)(x.reshape(len(x), -1))


def counting(num_classes, dtype):
    return Counting(num_classes)


def _wrong(**changes):
    def build(context):
        good = regression(context)
        fields = {name: make(good) for name, make in changes.items()}
        return Recipe(
            **{
                "init": good.init,
                "step": good.step,
                "variables": good.variables,
                "outputs": good.outputs,
                **fields,
            }
        )

    return build


def nothing(context):
    return None


def no_context():
    return None


def raising(context):
    raise KeyError("width")


loses_memory = _wrong(step=lambda r: lambda s, b, k: (s.params, r.step(s, b, k)[1]))
changes_type = _wrong(
    step=lambda r: (
        lambda s, b, k: (
            jax.tree.map(lambda a: a.astype(jnp.float16), r.step(s, b, k)[0]),
            r.step(s, b, k)[1],
        )
    )
)
no_metrics = _wrong(step=lambda r: lambda s, b, k: r.step(s, b, k)[0].params)
no_loss = _wrong(step=lambda r: lambda s, b, k: (s, {"error": jnp.zeros(())}))
loss_an_example = _wrong(step=lambda r: lambda s, b, k: (s, {"loss": b.weights}))
taken_name = _wrong(
    step=lambda r: lambda s, b, k: (s, {"loss": jnp.zeros(()), "epoch": jnp.zeros(())})
)
fails = _wrong(step=lambda r: lambda s, b, k: r.step(s, b.inputs.reshape(7, 7, 7), k))
keeps_key = _wrong(init=lambda r: lambda key: {"params": r.init(key).params, "key": key})
one_output = _wrong(outputs=lambda r: lambda v, x: r.outputs(v, x).mean())
