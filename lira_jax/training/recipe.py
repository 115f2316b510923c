"""How ONE model is trained: the supervised recipe, and the check of a recipe of the user's own."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from lira_jax.defences import adversarial_regularization, dp_sgd, dp_sgd_dense
from lira_jax.defences import table as defences
from lira_jax.errors import UserError
from lira_jax.models import network, own, tokens
from lira_jax.models import recipe as recipes
from lira_jax.models.mlp import Mlp
from lira_jax.models.recipe import Batch, Context, Recipe
from lira_jax.training import losses, optimizer

RESERVED = (
    "model",
    "epoch",
    "train_accuracy",
    "out_accuracy",
    "test_accuracy",
    "train_loss",
    "out_loss",
    "test_loss",
    "diverged",
    "learned_nothing",
    "compile_seconds",
    "flops_per_second",
    "flop_utilisation",
    "sha256",
)
"""Fields of metrics.jsonl that no metric of a step may be named like; neither may chunk_..."""


class TrainState(NamedTuple):
    """What supervised training changes: weights, running statistics, the optimiser's memory."""

    params: Any
    batch_stats: Any
    opt_state: Any


def make(context: Context) -> Recipe:
    """The recipe of an experiment: the user's own if --recipe names one, supervised otherwise.

    Raises:
      UserError: the user's own recipe cannot be loaded, or does not do what a recipe must.
    """
    e = context.experiment
    if e.recipe:
        recipe = recipes.load(context)
    elif "dp_sgd" in defences.parse(e.defence):
        recipe = _private(context)
    elif "adversarial_regularization" in defences.parse(e.defence):
        recipe = adversarial_regularization.recipe(context, supervised)
    else:
        recipe = supervised(context)
    if recipes.flag(context.experiment):
        check(recipe, context)
    return recipe


def mean_gradient(loss_of: Callable, params, batch: Batch, key):
    """The gradient rule of ordinary training: the gradient of the mean loss.

    Args:
      loss_of: (params, batch, key) -> (loss, what else it returns).

    Returns:
      ((loss, what else it returns), gradient).
    """
    return jax.value_and_grad(loss_of, has_aux=True)(params, batch, key)


def supervised(
    context: Context, gradient: Callable = mean_gradient, penalty: Callable | None = None
) -> Recipe:
    """Cross-entropy of the labels, or of text's tokens, descended by the optimiser of the flags.

    Args:
      gradient: the gradient rule, as `mean_gradient`.
      penalty: (logits, batch) -> a scalar that the loss gains; None for none.
    """
    e, module = context.experiment, context.module
    initial = network.initialiser(module, context.example_shape)
    descent = optimizer.make(e, context.total_steps)

    def init(key) -> TrainState:
        variables = initial(key)
        return TrainState(**variables, opt_state=descent.init(variables["params"]))

    def step(state: TrainState, batch: Batch, key):
        def loss_of(params, batch, key):
            logits, updates = module.apply(
                {"params": params, "batch_stats": state.batch_stats},
                batch.inputs,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": key, "params": jax.random.fold_in(key, 1)},
            )
            weights = batch.weights
            if context.vocabulary:
                loss, count = tokens.mean_loss(logits, batch.inputs, e.label_smoothing)
                weights *= count
            else:
                loss = losses.of_batch(logits, batch, e.label_smoothing)
            loss = losses.weighted_mean(loss, weights)
            if penalty is not None:
                loss += penalty(logits, batch)
            return loss, updates.get("batch_stats", {})

        (loss, batch_stats), slope = gradient(loss_of, state.params, batch, key)
        updates, opt_state = descent.update(slope, state.opt_state, state.params)
        state = TrainState(optax.apply_updates(state.params, updates), batch_stats, opt_state)
        return state, {"loss": loss}

    def variables(state: TrainState):
        return {"params": state.params, "batch_stats": state.batch_stats}

    return Recipe(init, step, variables, outputs=network.evaluator(module))


def _private(context: Context) -> Recipe:
    """The supervised recipe with the gradient rule of DP-SGD."""
    e = context.experiment
    how: dict[str, Any] = {"clip": e.dp_clip, "noise": e.dp_noise, "expected": e.batch_size}
    if isinstance(context.module, Mlp):
        rule = dp_sgd_dense.gradient_rule(**how)
    else:
        rule = dp_sgd.gradient_rule(**how, block=e.dp_block)
    recipe = supervised(context, rule)
    dp_sgd.check(recipe.variables(jax.eval_shape(recipe.init, jax.random.key(0))), e)
    return recipe


def check(recipe: Recipe, context: Context) -> None:
    """Traces the functions of a recipe with code of the user's own, without computing anything.

    Raises:
      UserError: one fails, or returns something that cannot be trained, saved or logged.
    """
    e = context.experiment

    def fails(what: str) -> UserError:
        return UserError(f"{recipes.flag(e)}: {what}")

    def traced(what: str, function: Callable, *arguments):
        with own.blamed(f"{recipes.flag(e)}: {what} fails"):
            return jax.eval_shape(function, *arguments)

    key, b = jax.eval_shape(lambda: jax.random.key(0)), e.batch_size
    batch = recipes.abstract_batch(context, reference=recipe.reference)
    state = traced("init", recipe.init, key)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if not hasattr(leaf, "dtype") or jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended):
            where = jax.tree_util.keystr(path)
            raise fails(
                f"state{where} is no array that can be saved; keep numbers, and of a random key "
                "jax.random.key_data"
            )
    variables = traced("variables", recipe.variables, state)
    outputs = traced("outputs", recipe.outputs, variables, batch.inputs)
    shape = getattr(outputs, "shape", None)
    per_token = (*context.example_shape, context.vocabulary)
    logits = (b, *(per_token if context.vocabulary else (context.num_classes,)))
    if not shape or shape[0] != b:
        raise fails(f"outputs must return one array [B, ...], here of {b} rows, not {shape}")
    if not e.recipe and not jnp.issubdtype(outputs.dtype, jnp.floating):
        raise fails(f"it returns {outputs.dtype} numbers, not logits; give floats")
    if not e.recipe and shape != logits:
        raise fails(
            f"of a batch {list(batch.inputs.shape)} it returns {list(shape)}, not logits "
            f"{list(logits)}; its last layer must have num_classes={logits[-1]} outputs"
        )
    result = traced("step", recipe.step, state, batch, key)
    if not isinstance(result, tuple) or len(result) != 2:
        raise fails(f"step must return (state, metrics), not {type(result).__name__}")
    after, metrics = result
    if difference := _difference(state, after):
        raise fails(f"step changes the state's {difference}")
    if not isinstance(metrics, dict) or "loss" not in metrics:
        raise fails('step must return (state, metrics) with metrics a dict that has "loss"')
    for name, value in metrics.items():
        if getattr(value, "shape", None) != ():
            raise fails(f"the metric {name!r} of step is no scalar; return its mean over the batch")
        if name in RESERVED or name.startswith("chunk_"):
            raise fails(f"the metric {name!r} of step has the name of a field of metrics.jsonl")


def _difference(before, after) -> str:
    """In what two trees of arrays differ, in words; "" if in nothing."""
    was: Any = jax.tree.structure(before)  # JAX's own type is no type to a checker
    now: Any = jax.tree.structure(after)
    if was != now:
        return f"structure from {was} to {now}"
    pairs = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    for (path, a), b in pairs:
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            where = jax.tree_util.keystr(path)
            return f"{where} from {a.dtype} {list(a.shape)} to {b.dtype} {list(b.shape)}"
    return ""
