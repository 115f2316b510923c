"""What a recipe is: how ONE model is trained and read, as pure functions.

Training calls all of them, scoring `init`, `variables` and `outputs` alone, so the type stands
below both. training/recipe.py has the recipe that is trained where the user brings none.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from lira_jax.data import masks
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.models import conv, own, table
from lira_jax.models.onednn import operations


class Batch(NamedTuple):
    """The examples of one training step of one model.

    Attributes:
      inputs: float32 [B, ...], augmented and normalised as the flags say.
      labels: int32 [B].
      weights: float32 [B], 0 for padding and 1 otherwise.
      reference: as many non-members of this model, a Batch; None unless the recipe asks for it.
      other_labels: int32 [B], of the examples that are mixed in; None without mixup and CutMix.
      kept: float32, the share of `labels` in a mixed batch; None without them.
    """

    inputs: Any
    labels: Any
    weights: Any
    reference: "Batch | None" = None
    other_labels: Any = None
    kept: Any = None


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one model is trained, as pure functions of one model; many are trained by lifting them.

    A state is a pytree of arrays of any structure (weights of several networks, the memory of
    several optimisers); a step gives back the same structure, shapes and types.

    Attributes:
      init: (key) -> state.
      step: (state, Batch, key) -> (state, metrics); metrics is a dict of scalars, "loss" among
        them, whose means over an epoch go to metrics.jsonl. The key is new in every step.
      variables: (state) -> the part that the finished model needs, a pytree of arrays.
      outputs: (variables, inputs) -> [B, ...] in evaluation mode, of inputs that are normalised as
        those of a Batch. A result [B, num_classes] is taken for logits; any other can only be
        scored by signals of the recipe's own.
      reference: whether a Batch brings non-members.
      signals: name -> measure(outputs, labels) -> float32 [B], higher = more likely a member.
    """

    init: Callable
    step: Callable
    variables: Callable
    outputs: Callable
    reference: bool = False
    signals: Mapping[str, Callable] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Context:
    """What a recipe is made for.

    `training.optimizer.make(context.experiment, context.total_steps)` is the optimiser, with its
    schedule, that the flags describe.

    Attributes:
      experiment: all flags.
      example_shape: of one input, (H, W, C), (D,) or, of text, (L,).
      num_classes: K; labels are 0..K-1. Of text 1.
      vocabulary: of text, the number of token ids; 0 for other data.
      total_steps: of the training of one model.
      module: the Linen module of --model; call `module.apply(variables, inputs, train=...)`.
      dtype: of the computation, jnp.float32 or jnp.bfloat16.
    """

    experiment: Experiment
    example_shape: tuple[int, ...]
    num_classes: int
    vocabulary: int
    total_steps: int
    module: nn.Module
    dtype: Any


def steps_per_epoch(experiment: Experiment, num_examples: int) -> int:
    """Steps of an epoch, the same for all models: the mean number of members, in whole batches.

    Raises:
      UserError: with --drop_last, so many members fill no batch.
    """
    e = experiment
    members = round(num_examples * masks.members_share(e.masks, e.pkeep))
    if not e.drop_last:
        return -(-members // e.batch_size)
    if members < e.batch_size:
        raise UserError(
            f"--drop_last: {members} members fill no batch of --batch_size={e.batch_size}; lower it"
        )
    return members // e.batch_size


def is_own_code(experiment: Experiment) -> bool:
    """Whether the model or the recipe is the user's own, which may convolve in its own way."""
    return bool(experiment.recipe) or ":" in experiment.model


def convolutions(experiment: Experiment) -> str:
    """A line on what computes the convolutions of an experiment; "" for code of the user's own."""
    if is_own_code(experiment):
        return ""
    if jax.default_backend() == "cpu" and operations.available():
        by_onednn = conv.usual_form(experiment.conv_form) == "onednn"
        return "convolutions by " + ("oneDNN" if by_onednn else "XLA, as --conv_form asks")
    faster = jax.default_backend() == "cpu" and operations.exists_here()
    return "convolutions by XLA" + ("; faster: pip install 'lira_jax[onednn]'" if faster else "")


def context(experiment: Experiment, dataset: Dataset, conv_form: str | None = None) -> Context:
    """The context of an experiment.

    Args:
      conv_form: a key of conv.FORMS; that of the experiment, or the usual one, by default.

    Raises:
      UserError: as `table.create`.
    """
    e = experiment
    module = table.create(
        e.model,
        dataset.vocabulary or dataset.num_classes,
        depth=e.depth,
        width=e.width,
        hidden=e.hidden,
        activation=e.activation,
        positions=e.positions,
        remat=e.remat,
        text=dataset.is_text,
        initial=e.initial,
        dropout=e.dropout,
        drop_connect=e.drop_connect,
        norm=e.norm,
        dtype=e.compute_dtype,
        conv_form=conv_form or conv.usual_form(e.conv_form),
    )
    return Context(
        experiment=e,
        example_shape=dataset.x.shape[1:],
        num_classes=dataset.num_classes,
        vocabulary=dataset.vocabulary,
        total_steps=e.epochs * steps_per_epoch(e, len(dataset.x)),
        module=module,
        dtype=table.DTYPES[e.compute_dtype],
    )


def abstract_batch(context: Context, *, reference: bool = False) -> Batch:
    """Shapes and types of a Batch of the training, with one of non-members if asked for."""
    b = context.experiment.batch_size
    batch = Batch(
        jax.ShapeDtypeStruct((b, *context.example_shape), jnp.float32),
        jax.ShapeDtypeStruct((b,), jnp.int32),
        jax.ShapeDtypeStruct((b,), jnp.float32),
    )
    return batch._replace(reference=batch) if reference else batch


def flag(experiment: Experiment) -> str:
    """The flag that names code of the user's own which trains; empty if there is none."""
    if experiment.recipe:
        return f"--recipe={experiment.recipe}"
    return f"--model={experiment.model}" if ":" in experiment.model else ""


def load(context: Context) -> Recipe:
    """The recipe of the user's own that --recipe names.

    Raises:
      UserError: it cannot be imported or called, or returns something else.
    """
    name = context.experiment.recipe
    factory = own.function("--recipe", name)
    own.must_take("--recipe", name, factory, "a context")
    with own.blamed(f"--recipe={name}"):
        recipe = factory(context)
    if not isinstance(recipe, Recipe):
        raise UserError(
            f"--recipe={name}: it must return a lira_jax.models.recipe.Recipe, not "
            f"{type(recipe).__name__}"
        )
    return recipe
