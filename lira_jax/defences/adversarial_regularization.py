"""Adversarial regularisation (Nasr et al. 2018, https://arxiv.org/abs/1807.05852), of ONE model.

A second network, the attack, learns to tell members from non-members by the classifier's outputs
and labels; the classifier learns its labels and to look like a non-member. The reference set is all
of the pool that the model does not train on.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from lira_jax.errors import UserError
from lira_jax.models.recipe import Batch, Context, Recipe

PLAIN_EPOCHS, ATTACK_EPOCHS, CLASSIFIER_TURNS = 1, 5, 2
"""Epochs of the classifier alone, and of the attack alone; the classifier's turns in a cycle."""

_WEIGHTS = nn.initializers.normal(0.01)


class _Shape(NamedTuple):
    """Units of the two branches and after they are joined, and Adam's rate."""

    of_outputs: tuple[int, ...]
    of_label: tuple[int, ...]
    joined: tuple[int, ...]
    learning_rate: float


NETWORKS = {
    "purchase": _Shape((1024, 512, 64), (128, 64), (512, 256, 128, 64), 1e-4),
    "texas": _Shape((512, 64), (64,), (64,), 1e-3),
}
"""The attacks of the authors' code on Purchase100 and on Texas100."""


class Attack(nn.Module):
    """I(f(x), y) before its sigmoid: above 0 it takes an example for a member; float32 [B]."""

    shape: _Shape

    @nn.compact
    def __call__(self, outputs, labels):
        def dense(units, x):
            return nn.Dense(units, kernel_init=_WEIGHTS)(x)

        x, y = outputs, jax.nn.one_hot(labels, outputs.shape[-1])
        for units in self.shape.of_outputs:
            x = nn.relu(dense(units, x))
        for units in self.shape.of_label[:-1]:
            y = nn.relu(dense(units, y))
        y = dense(self.shape.of_label[-1], y)
        if len(self.shape.of_label) > 1:  # the label's branch for Texas is linear
            y = nn.relu(y)
        joined = jnp.concatenate([x, y], -1)
        for units in self.shape.joined:
            joined = nn.relu(dense(units, joined))
        return dense(1, joined)[:, 0]


class State(NamedTuple):
    """Of the classifier's training, the attack's weights and optimiser, and steps so far."""

    classifier: Any
    attack: Any
    attack_opt: Any
    steps: Any


def attack_loss(members, others, objective: str):
    """What the attack descends.

    Args:
      members, others: float [B], the attack before its sigmoid on members and on non-members.
      objective: "paper", minus half of mean log I + mean log (1 - I) (equation 2); or "code", the
        mean squared error of I.
    """
    if objective == "paper":
        return (nn.softplus(-members).mean() + nn.softplus(others).mean()) / 2
    squares = jnp.square(1 - nn.sigmoid(members)).mean(), jnp.square(nn.sigmoid(others)).mean()
    return sum(squares) / 2


def penalty(members, objective: str):
    """What the classifier descends beside its loss, to be times lambda; arguments as `attack_loss`.

    "paper": mean log I (equation 3); "code": mean I - 1/2.
    """
    if objective == "paper":
        return -nn.softplus(-members).mean()
    return nn.sigmoid(members).mean() - 0.5


def seen(logits, objective: str):
    """What the attack is shown: probabilities (paper) or logits (code)."""
    return nn.softmax(logits) if objective == "paper" else logits


def attack_turns(epochs: int, steps: int, attack_steps: int) -> np.ndarray:
    """Whose turn each step is: the attack's where true, bool [epochs * steps].

    Args:
      epochs, steps: of a training, and of an epoch.
      attack_steps: of a cycle, in which the classifier has CLASSIFIER_TURNS.
    """
    step = np.arange(epochs * steps)
    first, cycles = PLAIN_EPOCHS * steps, (PLAIN_EPOCHS + ATTACK_EPOCHS) * steps
    in_cycle = (step - cycles) % (attack_steps + CLASSIFIER_TURNS) < attack_steps
    return (step >= first) & ((step < cycles) | in_cycle)


def recipe(context: Context, supervised: Callable[..., Recipe]) -> Recipe:
    """Builds the recipe.

    Args:
      supervised: (context, penalty=(logits, batch) -> scalar) -> the classifier's recipe; its loss
        gains the penalty.

    Raises:
      UserError: the training ends before the classifier meets the attack.
    """
    e, steps = context.experiment, context.total_steps // context.experiment.epochs
    first, turns = PLAIN_EPOCHS * steps, attack_turns(e.epochs, steps, e.adv_attack_steps)
    if e.epochs <= PLAIN_EPOCHS + ATTACK_EPOCHS:
        raise UserError(
            f"--epochs={e.epochs}: --defence=adversarial_regularization trains first "
            f"{PLAIN_EPOCHS} epoch without the attack and {ATTACK_EPOCHS} of the attack; give "
            "more"
        )
    if context.vocabulary:
        raise UserError("--defence=adversarial_regularization: it is for classifiers, not for text")
    # The schedule is over the classifier's own steps.
    own = dataclasses.replace(context, total_steps=int((~turns).sum()))
    plain, shape = supervised(own), NETWORKS[e.adv_network]
    attack, descent = Attack(shape), optax.adam(shape.learning_rate)

    def judge(params, logits, labels):
        return attack.apply({"params": params}, seen(logits, e.adv_objective), labels)

    def init(key) -> State:
        logits = jnp.zeros((1, context.num_classes))
        params = attack.init(jax.random.fold_in(key, 1), logits, jnp.zeros(1, jnp.int32))["params"]
        return State(plain.init(key), params, descent.init(params), jnp.zeros((), jnp.int32))

    def step(state: State, batch: Batch, key):
        apart = batch.reference
        assert apart is not None, "the recipe asks for non-members"
        variables = plain.variables(state.classifier)
        logits, others = (
            jax.lax.stop_gradient(plain.outputs(variables, b.inputs)) for b in (batch, apart)
        )

        def loss_of(params):
            members = judge(params, logits, batch.labels)
            non_members = judge(params, others, apart.labels)
            right = ((members > 0).mean() + (non_members <= 0).mean()) / 2
            return attack_loss(members, non_members, e.adv_objective), right

        def train_attack(state: State):
            slope, _ = jax.grad(loss_of, has_aux=True)(state.attack)
            updates, opt = descent.update(slope, state.attack_opt)
            params = optax.apply_updates(state.attack, updates)
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()
            return state._replace(attack=params, attack_opt=opt), loss

        def train_classifier(state: State):
            weight = jnp.where(state.steps < first, 0.0, e.adv_weight)

            def gain(logits, batch):
                members = judge(state.attack, logits, batch.labels)
                return weight * penalty(members, e.adv_objective)

            classifier, metrics = supervised(own, penalty=gain).step(
                state.classifier, batch._replace(reference=None), key
            )
            return state._replace(classifier=classifier), metrics["loss"]

        right = loss_of(state.attack)[1]
        state, loss = jax.lax.cond(
            jnp.asarray(turns)[state.steps], train_attack, train_classifier, state
        )
        state = state._replace(steps=state.steps + 1)
        return state, {"loss": loss, "attack_accuracy": right}

    return Recipe(
        init, step, lambda state: plain.variables(state.classifier), plain.outputs, reference=True
    )
