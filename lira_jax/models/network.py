"""ONE trained model as scoring and training's own accuracy see it, described once."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from lira_jax.data import normalize
from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import Normalizer
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import conv, intermediates, modes, own, table
from lira_jax.models import recipe as recipes
from lira_jax.models.recipe import Recipe

if TYPE_CHECKING:
    from lira_jax.models.fingerprint import Fingerprint

COLLECTIONS = ("params", "batch_stats")
"""Kinds of variables that a module may have; others would be lost between two steps."""


@dataclasses.dataclass(frozen=True)
class Network:
    """One model in evaluation mode; pure functions, to be lifted to many.

    Attributes:
      init: (key) -> variables, what checkpoints/NNNN/final holds.
      outputs: (variables, inputs) -> float32 [B, ...]. Inputs [B, ...] are raw, as in the data set;
        it normalises them. BatchNorm uses its running statistics.
      evaluate: the same of normalised inputs, which have gradients.
      by_example: the same as `evaluate`, where convolutions have the form that is fast for one
        example at a time, many of them under vmap: per-example gradients.
      layers: (variables, normalised inputs) -> what its layers give (intermediates.py).
      shapes: ShapeDtypeStructs of the variables.
      convolutional: whether the variables hold a kernel of a two-dimensional convolution.
      classifies: whether outputs are logits [B, num_classes].
      signals: of the user's own recipe, name -> measure(outputs, labels); empty otherwise.
      normalizer: of the pool, which `outputs` applies.
      code: fingerprint of the user's own code, if it was asked for and there is such code.
      reads_text: whether outputs are logits [B, L, vocabulary] of each token given those before it.
      output_shape: of the outputs of one example.
    """

    init: Callable
    outputs: Callable
    evaluate: Callable
    by_example: Callable
    layers: Callable
    shapes: Any
    convolutional: bool
    classifies: bool
    signals: Mapping[str, Callable]
    normalizer: Normalizer
    code: "Fingerprint | None" = None
    reads_text: bool = False
    output_shape: tuple[int, ...] = ()


def make(experiment: Experiment, dataset: Dataset, normalizer: Normalizer | None = None) -> Network:
    """The network that an experiment trains.

    Args:
      dataset: of the run; only its shapes and classes are read where the normalizer is given.
      normalizer: of the data set's pool; fitted by default.

    Raises:
      UserError: as `table.create` and `recipe.load`, or the model cannot take such examples.
    """
    normalizer = normalizer or normalize.fit(dataset.x, experiment.normalize)
    context = recipes.context(experiment, dataset)
    flag = recipes.flag(experiment)
    if experiment.recipe:
        network = of_recipe(recipes.load(context), flag, dataset, normalizer)
        return dataclasses.replace(network, layers=intermediates.of(context.module, flag))
    init = initialiser(context.module, context.example_shape)
    with own.blamed(flag):
        network = _describe(init, evaluator(context.module), dataset, normalizer, {})
        layers = intermediates.of(context.module, flag)
        by_example = _by_example(experiment, dataset) or network.by_example
        return dataclasses.replace(network, layers=layers, by_example=by_example)


def _by_example(experiment: Experiment, dataset: Dataset) -> Callable | None:
    """`Network.by_example` of a module of ours, made anew; None of one that takes no form."""
    if ":" in experiment.model:
        return None
    asked = experiment.conv_form
    form = conv.form_by_example() if asked == "auto" else asked
    evaluate = evaluator(recipes.context(experiment, dataset, form).module)
    return lambda variables, inputs: evaluate(variables, inputs).astype(jnp.float32)


def of_recipe(recipe: Recipe, flag: str, dataset: Dataset, normalizer: Normalizer) -> Network:
    """The network that a recipe trains, without the names of its layers.

    Args:
      flag: that names code of the user's own, or "".

    Raises:
      UserError: a function of the user's own fails.
    """

    def init(key):
        return recipe.variables(recipe.init(key))

    with own.blamed(flag):
        return _describe(init, recipe.outputs, dataset, normalizer, recipe.signals)


def _describe(init, outputs, dataset: Dataset, normalizer: Normalizer, signals) -> Network:
    def evaluate(variables, inputs):
        return outputs(variables, inputs).astype(jnp.float32)

    def of_raw(variables, inputs):
        return evaluate(variables, normalizer(inputs))

    shapes = jax.eval_shape(init, jax.random.key(0))
    examples = jax.ShapeDtypeStruct((2, *dataset.x.shape[1:]), dataset.x.dtype)
    result = jax.eval_shape(of_raw, shapes, examples)
    return Network(
        init=init,
        outputs=of_raw,
        evaluate=evaluate,
        by_example=evaluate,
        layers=intermediates.none,
        shapes=shapes,
        convolutional=table.has_convolution(shapes),
        classifies=result.shape == (2, dataset.num_classes) and not dataset.is_text,
        reads_text=dataset.is_text
        and result.shape == (2, *dataset.x.shape[1:], dataset.vocabulary),
        output_shape=result.shape[1:],
        signals=signals,
        normalizer=normalizer,
    )


def initialiser(module: nn.Module, example_shape: tuple[int, ...]) -> Callable:
    """Builds init(key) -> the module's variables, {"params": ..., "batch_stats": ...}.

    The result raises a UserError where the module has variables of another kind.
    """

    def init(key):
        rngs = {"params": key, "dropout": jax.random.fold_in(key, 1)}
        variables = module.init(rngs, jnp.zeros((1, *example_shape)), train=False)
        variables = nn.meta.unbox(variables)
        other = sorted(set(variables) - set(COLLECTIONS))
        if other:
            raise UserError(
                f"--model: the network has variables of the kind {other[0]!r}; only "
                f"{' and '.join(COLLECTIONS)} are kept from step to step, so make it do with these"
            )
        return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}

    return init


def evaluator(module: nn.Module) -> Callable:
    """Builds outputs(variables, normalised inputs [B, ...]) -> [B, ...] in evaluation mode."""
    # An NNX module is built anew in each call, and its Dropout wants a key even where it is off.
    rngs = {"dropout": jax.random.key(0)} if modes.has_nnx(module) else None

    def outputs(variables, inputs):
        return module.apply(variables, inputs, train=False, rngs=rngs)

    return outputs
