"""The table of model families: a name on the command line -> a Linen module for one model.

To add a family, write a module with the fields num_classes, dtype and conv_form and
`__call__(self, x, train)` in a file of its own, and add its line to FAMILIES.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from lira_jax.errors import UserError, bad_choice
from lira_jax.experiment import FIELDS
from lira_jax.models import modes, own
from lira_jax.models.alexnet import AlexNet
from lira_jax.models.cifar_resnet import CifarResNet
from lira_jax.models.cnn import Cnn
from lira_jax.models.conv import FORMS
from lira_jax.models.densenet import DenseNet
from lira_jax.models.efficientnet import EfficientNet
from lira_jax.models.gpt import Gpt
from lira_jax.models.inception import InceptionV3
from lira_jax.models.layers import ACTIVATIONS
from lira_jax.models.lenet import LeNet
from lira_jax.models.mlp import Mlp
from lira_jax.models.resnet import ResNet
from lira_jax.models.resnet9 import ResNet9
from lira_jax.models.salem_cnn import SalemCnn
from lira_jax.models.wide_resnet import WideResNet
from lira_jax.models.xception import Xception


class Family(NamedTuple):
    """`convolution`: whether it takes conv_form. `options`: flags it honours, and what 0 means.
    `text`: whether it reads tokens."""

    build: Callable[..., nn.Module]
    convolution: bool
    options: dict[str, Any]
    text: bool = False


_DROPOUT, _NORM = {"dropout": 0.0}, {"norm": "batch"}
_GPT = {"positions": "learned", "remat": False, **_DROPOUT}

FAMILIES = {
    "mlp": Family(
        Mlp,
        False,
        {"hidden": (512, 256), "activation": "relu", "initial": "lecun_normal", **_DROPOUT},
    ),
    "cnn": Family(Cnn, True, {"width": 32, **_DROPOUT}),
    "cnn_max": Family(functools.partial(Cnn, pooling="max"), True, {"width": 32, **_DROPOUT}),
    "wide_resnet": Family(WideResNet, True, {"depth": 28, "width": 2, **_DROPOUT, **_NORM}),
    "resnet": Family(ResNet, True, {"depth": 18, **_DROPOUT, **_NORM}),
    "resnet_imagenet": Family(
        functools.partial(ResNet, stem="imagenet"), True, {"depth": 50, **_DROPOUT, **_NORM}
    ),
    "resnet_cifar": Family(CifarResNet, True, {"depth": 110, **_DROPOUT, **_NORM}),
    "resnet_cifar_bottleneck": Family(
        functools.partial(CifarResNet, bottleneck=True), True, {"depth": 164, **_DROPOUT, **_NORM}
    ),
    "resnet9": Family(ResNet9, True, {"width": 64, **_NORM}),
    "densenet": Family(DenseNet, True, {"depth": 100, "width": 12, **_NORM}),
    "efficientnet": Family(EfficientNet, True, {**_DROPOUT, "drop_connect": 0.0, **_NORM}),
    "efficientnet_imagenet": Family(
        functools.partial(EfficientNet, stem="imagenet"),
        True,
        {**_DROPOUT, "drop_connect": 0.0, **_NORM},
    ),
    "lenet": Family(LeNet, True, {"activation": "relu"}),
    "lenet_3x3": Family(functools.partial(LeNet, size=3), True, {"activation": "relu"}),
    "inception_v3": Family(InceptionV3, True, {}),
    "xception": Family(Xception, True, {}),
    "alexnet": Family(AlexNet, True, {}),
    "gpt_tiny": Family(Gpt, False, {"depth": 2, "width": 64, **_GPT}, text=True),
    "gpt2_small": Family(Gpt, False, {"depth": 12, "width": 768, **_GPT}, text=True),
    "salem_cnn": Family(SalemCnn, True, {"activation": "relu", **_DROPOUT}),
}

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def create(
    name: str,
    num_classes: int,
    *,
    depth: int = 0,
    width: int = 0,
    hidden: tuple[int, ...] = (512, 256),
    activation: str = "relu",
    positions: str = "learned",
    remat: bool = False,
    text: bool = False,
    initial: str = "lecun_normal",
    dropout: float = 0.0,
    drop_connect: float = 0.0,
    norm: str = "batch",
    dtype: str = "float32",
    conv_form: str = "plain",
) -> nn.Module:
    """Builds the Linen module of one model.

    Args:
      name: a key of FAMILIES, or `package.module:function`, a factory of the user's that is called
        with num_classes and dtype (jnp.float32 or jnp.bfloat16) and returns a Linen module.
      num_classes: number of logits.
      depth: layers; 0 for the family's default.
      width: width factor, filters or growth rate; 0 for the family's default.
      hidden: units of each hidden layer.
      activation: "relu" or "tanh".
      positions: "learned" or "rotary", of a gpt.
      remat: whether a gpt computes activations again in the backward pass.
      text: whether it is to read tokens; num_classes is the size of the vocabulary then.
      initial: weights that mlp starts from, "lecun_normal" or "glorot_uniform".
      dropout: fraction of activations dropped in training.
      drop_connect: fraction of examples for which the last block is passed over in training.
      norm: "batch" for BatchNorm, "group" for GroupNorm.
      dtype: "float32" or "bfloat16", of the computation; parameters and logits are float32.
      conv_form: how convolutions batch over models, a key of conv.FORMS.

    Raises:
      UserError: for an unknown name or value, an option that the family does not have, or a factory
        that cannot be imported or called or returns something else.
    """
    for flag, value, choices in (
        ("compute_dtype", dtype, DTYPES),
        ("conv_form", conv_form, FORMS),
        ("activation", activation, ACTIVATIONS),
    ):
        if value not in choices:
            raise bad_choice(f"--{flag}", value, choices)
    if ":" not in name and name not in FAMILIES:
        raise bad_choice("--model", name, [*FAMILIES, "package.module:function"])

    of_the_user = ":" in name
    if not of_the_user and FAMILIES[name].text != text:
        fitting = [family for family, line in FAMILIES.items() if line.text == text]
        what = "text" if text else "images and features"
        raise UserError(f"--model={name}: not for {what}; it may be {', '.join(fitting)}")
    options = {} if of_the_user else dict(FAMILIES[name].options)
    given = {
        "depth": depth,
        "width": width,
        "hidden": tuple(hidden),
        "positions": positions,
        "remat": remat,
        "activation": activation,
        "initial": initial,
        "dropout": dropout,
        "drop_connect": drop_connect,
        "norm": norm,
    }
    for flag, asked in given.items():
        if asked == FIELDS[flag].default:
            continue
        if flag not in options:
            shown = ",".join(map(str, asked)) if isinstance(asked, tuple) else asked
            raise UserError(
                f"--{flag}={shown}: --model={name} has no such option; leave the flag out"
            )
        options[flag] = asked
    if of_the_user:
        return _from_factory(name, num_classes, DTYPES[dtype])
    family = FAMILIES[name]
    if family.convolution:
        options["conv_form"] = conv_form
    return family.build(num_classes=num_classes, dtype=DTYPES[dtype], **options)


def has_convolution(params) -> bool:
    """Whether one model's (abstract) parameters hold the kernel of a 2-D convolution."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return any(
        leaf.ndim == 4 and jax.tree_util.keystr(path[-1:]) == "['kernel']" for path, leaf in leaves
    )


def _from_factory(name: str, num_classes: int, dtype) -> nn.Module:
    factory = own.function("--model", name)
    own.must_take("--model", name, factory, num_classes=num_classes, dtype=dtype)
    with own.blamed(f"--model={name}"):
        module = factory(num_classes=num_classes, dtype=dtype)
    if not isinstance(module, nn.Module):
        raise UserError(
            f"--model={name}: it must return a flax.linen Module, not {type(module).__name__}; "
            "of an NNX module return flax.nnx.bridge.to_linen(Net, num_classes)"
        )
    return modes.told(f"--model={name}", module)
