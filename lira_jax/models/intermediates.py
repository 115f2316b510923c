"""What the layers of one model give, by name and by place: a user's module is looked into as ours.

A layer's output is what flax captures as an intermediate; what goes into a fully connected layer is
not, since activations are functions, so that is stored beside it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn

from lira_jax.errors import UserError

_INPUT = "lira_jax_input"


class Layers(NamedTuple):
    """What the layers give for a batch.

    Attributes:
      outputs: name -> [B, ...], of every layer that flax knows of; the layers of a block have its
        name before theirs, as in Block_0.Dense_1. A ReLU that a layer of ours brings with it (Conv
        with a slope, BatchNorm) is part of its output.
      inputs: name -> [B, ...], what goes into each fully connected layer, in the order of calls.
    """

    outputs: dict[str, Any]
    inputs: dict[str, Any]


def of(module: nn.Module, flag: str) -> Callable:
    """Builds layers(variables, normalised inputs [B, ...]) -> Layers, in evaluation mode.

    Args:
      flag: that names code of the user's own, or "".

    The result raises a UserError if the module does not take the variables, as where a recipe has
    others.
    """

    def layers(variables, inputs) -> Layers:
        order: list[tuple[str, ...]] = []  # of the calls

        def keep_input(call, args, kwargs, context):
            dense = isinstance(context.module, (nn.Dense, nn.DenseGeneral))
            if dense and context.method_name == "__call__" and args:
                context.module.sow("intermediates", _INPUT, args[0])
                order.append(context.module.path)
            return call(*args, **kwargs)

        with nn.intercept_methods(keep_input):
            try:
                _, state = module.apply(
                    variables,
                    inputs,
                    train=False,
                    capture_intermediates=True,
                    mutable=["intermediates"],
                )
            except UserError:
                raise
            except Exception as error:
                raise UserError(
                    f"{flag or '--model'}: its layers cannot be looked into "
                    f"({type(error).__name__}): is --model what the recipe trains?"
                ) from error
        found: dict[tuple[str, ...], Any] = {}
        _flatten(state["intermediates"], (), found)
        places = dict.fromkeys(order)
        return Layers(
            {".".join(p[:-1]): a for p, a in found.items() if p[-1] == "__call__" and p[:-1]},
            {".".join(p): found[*p, _INPUT] for p in places if (*p, _INPUT) in found},
        )

    return layers


def none(variables, inputs) -> Layers:
    """Of a model that is no module."""
    return Layers({}, {})


def _flatten(tree, path: tuple[str, ...], found: dict) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            _flatten(value, (*path, name), found)
        elif hasattr(value[-1], "ndim"):  # a tuple of all calls, of which the last counts
            found[*path, name] = value[-1]
