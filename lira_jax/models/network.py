"""ONE trained model as scoring and training's own accuracy see it, described once."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from lira_jax.data import normalize
from lira_jax.data.dataset import Dataset
from lira_jax.data.normalize import Normalizer
from lira_jax.experiment import Model, Training
from lira_jax.models import table


@dataclasses.dataclass(frozen=True)
class Network:
    """One model in evaluation mode; pure functions, to be lifted to many.

    Attributes:
      init: (key) -> variables, what checkpoints/NNNN/final holds.
      outputs: (variables, inputs) -> float32 [B, ...]. Inputs [B, ...] are raw, as in the data set;
        it normalises them. BatchNorm uses its running statistics.
      shapes: ShapeDtypeStructs of the variables.
      convolutional: whether the variables hold a kernel of a two-dimensional convolution.
      classifies: whether outputs are logits [B, num_classes].
      signals: of the user's own recipe, name -> measure(outputs, labels); empty otherwise.
    """

    init: Callable
    outputs: Callable
    shapes: Any
    convolutional: bool
    classifies: bool = True
    signals: Mapping[str, Callable] = dataclasses.field(default_factory=dict)


def make(
    experiment, dataset: Dataset, normalizer: Normalizer | None = None, conv_form: str = "plain"
) -> Network:
    """The network that an experiment trains.

    Args:
      dataset: of the run; only its shapes and classes are read where the normalizer is given.
      normalizer: of the data set's pool; fitted by default.
      conv_form: how convolutions batch over models, a key of conv.FORMS.

    Raises:
      UserError: as `table.create`, or the model cannot take examples of this shape.
    """
    normalizer = normalizer or normalize.fit(dataset.x, experiment.normalize)
    module = make_module(experiment, dataset.num_classes, conv_form)
    return describe(
        initialiser(module, dataset.x.shape[1:]), evaluator(module), dataset, normalizer
    )


def describe(
    init: Callable,
    outputs: Callable,
    dataset: Dataset,
    normalizer: Normalizer,
    signals: Mapping[str, Callable] | None = None,
) -> Network:
    """A Network of its two functions.

    Args:
      init: (key) -> variables.
      outputs: (variables, normalised inputs [B, ...]) -> [B, ...], in evaluation mode.
      signals: of the user's own recipe.
    """

    def of_raw(variables, inputs):
        return outputs(variables, normalizer(inputs)).astype(jnp.float32)

    shapes = jax.eval_shape(init, jax.random.key(0))
    example = jax.ShapeDtypeStruct((1, *dataset.x.shape[1:]), dataset.x.dtype)
    result = jax.eval_shape(of_raw, shapes, example)
    return Network(
        init=init,
        outputs=of_raw,
        shapes=shapes,
        convolutional=table.has_convolution(shapes),
        classifies=result.shape == (1, dataset.num_classes),
        signals=signals or {},
    )


def make_module(
    experiment: Model | Training, num_classes: int, conv_form: str = "plain"
) -> nn.Module:
    """The Linen module of the experiment's model.

    Raises:
      UserError: as `table.create`.
    """
    e = experiment
    return table.create(
        e.model,
        num_classes,
        depth=e.depth,
        width=e.width,
        hidden=e.hidden,
        activation=e.activation,
        dtype=e.compute_dtype,
        conv_form=conv_form,
    )


def initialiser(module: nn.Module, example_shape: tuple[int, ...]) -> Callable:
    """Builds init(key) -> the module's variables, {"params": ..., "batch_stats": ...}."""

    def init(key):
        variables = module.init(key, jnp.zeros((1, *example_shape)), train=False)
        return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}

    return init


def evaluator(module: nn.Module) -> Callable:
    """Builds outputs(variables, normalised inputs [B, ...]) -> [B, ...] in evaluation mode."""

    def outputs(variables, inputs):
        return module.apply(variables, inputs, train=False)

    return outputs
