"""How a module of the user's own is told whether it trains: in the words that it has for that."""

import inspect
from typing import Any

import flax.linen as nn
from flax import nnx

from lira_jax.errors import UserError

WORDS = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}
"""Arguments of `__call__` that tell a module whether it trains, and their value if it does."""


class Told(nn.Module):
    """A module with `__call__(x, train)`, around one that is told in other words, or not at all.

    Attributes:
      inner: the module.
      words: of WORDS, those that it has.
    """

    inner: nn.Module
    words: tuple[str, ...]

    @nn.compact
    def __call__(self, x, train: bool):
        return self.inner(x, **{word: WORDS[word] == train for word in self.words})


def told(flag: str, module: nn.Module) -> nn.Module:
    """The module, or one around it, that is called with an input and `train`.

    Args:
      flag: that names the module, for the error.

    Raises:
      UserError: it wants other arguments.
    """
    owner: Any = module.nnx_class if isinstance(module, nnx.bridge.ToLinen) else type(module)
    if not isinstance(owner, type):  # a function that makes an NNX module, which may be any
        return module
    parameters = list(inspect.signature(owner.__call__).parameters.values())[2:]  # self, inputs
    named = {
        p.name: p.default is p.empty
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    # Who has `train` is told the rest only if it must be: a default may mean something else.
    words = tuple(
        w for w in WORDS if w in named and (named[w] or w == "train" or "train" not in named)
    )
    if unknown := [name for name, wanted in named.items() if wanted and name not in WORDS]:
        raise UserError(
            f"{flag}: its __call__ wants {', '.join(unknown)}, which it is not given; beside the "
            f"inputs it may take any of {', '.join(WORDS)}"
        )
    takes_any = any(p.kind == p.VAR_KEYWORD for p in parameters)
    if isinstance(module, nn.Sequential):  # which hands everything to its first layer
        takes_any = False
    return module if words == ("train",) or (takes_any and not words) else Told(module, words)


def has_nnx(module: nn.Module) -> bool:
    """Whether the module is an NNX one, by Flax's bridge."""
    return isinstance(module.inner if isinstance(module, Told) else module, nnx.bridge.ToLinen)
