"""All defences in training by name: the one table that drives --defence.

To add one that sets flags, write a line. One that changes how gradients are taken, or trains more
than the network, is a file beside this one that training/recipe.py calls, and a line. Nothing here
needs JAX, for `--help` shows the table.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from lira_jax import experiment as experiment_lib
from lira_jax.errors import UserError, bad_choice
from lira_jax.experiment import FIELDS, Experiment, shown


@dataclasses.dataclass(frozen=True)
class Defence:
    """What training may do against membership inference.

    Attributes:
      summary: what it does, in a line.
      source: the paper with its year.
      value: what the number after the colon is, with its unit.
      default: the number if none is given; None: the flag that it would set decides.
      fields: number, or None -> the fields of the experiment that it sets.
      own: flags that only this defence reads.
    """

    summary: str
    source: str
    value: str
    default: float | None
    fields: Callable[[float | None], dict[str, Any]]
    own: tuple[str, ...] = ()


DEFENCES: dict[str, Defence] = {
    "dp_sgd": Defence(
        "clips each example's gradient and adds noise, which proves an epsilon",
        "Abadi et al. 2016",
        "the noise in multiples of --dp_clip, as --dp_noise",
        None,
        # Other forms of convolutions batch over models, not over examples.
        lambda v: {"conv_form": "plain"} | ({} if v is None else {"dp_noise": v}),
        own=("dp_clip", "dp_noise", "dp_epsilon", "dp_delta", "dp_batches", "dp_block"),
    ),
    "adversarial_regularization": Defence(
        "trains an attack beside the classifier, which learns to escape it",
        "Nasr et al. 2018",
        "lambda, weight of the attack's gain, as --adv_weight",
        None,
        lambda v: {} if v is None else {"adv_weight": v},
        own=("adv_weight", "adv_attack_steps", "adv_objective", "adv_network"),
    ),
    "label_smoothing": Defence(
        "moves probability mass from the label to all classes alike",
        "Szegedy et al. 2016",
        "the mass, in [0, 1)",
        0.1,
        lambda v: {"label_smoothing": v},
    ),
    "l2": Defence(
        "weight decay of kernels",
        "Krogh and Hertz 1991",
        "factor of |kernels|^2 / 2 in the loss",
        5e-3,
        lambda v: {"weight_decay": v, "decayed": "kernels"},
    ),
    "l2_all": Defence(
        "weight decay of all parameters",
        "Hintersdorf et al. 2022",
        "factor of |parameters|^2 / 2 in the loss",
        5e-3,
        lambda v: {"weight_decay": v, "decayed": "all"},
    ),
    "dropout": Defence(
        "drops activations in training",
        "Srivastava et al. 2014",
        "fraction of activations, in [0, 1)",
        0.1,
        lambda v: {"dropout": v},
    ),
    "drop_connect": Defence(
        "passes over blocks of efficientnet in training",
        "Huang et al. 2016",
        "fraction of examples at the last block, in [0, 1)",
        0.2,
        lambda v: {"drop_connect": v},
    ),
    "mixup": Defence(
        "trains on averages of two examples and of their losses",
        "Zhang et al. 2018",
        "alpha of the weight's Beta(alpha, alpha), > 0",
        1.0,
        lambda v: {"mixup": v},
    ),
    "cutmix": Defence(
        "pastes a box of another image into each",
        "Yun et al. 2019",
        "fraction of batches, in [0, 1]",
        1.0,
        lambda v: {"cutmix": v},
    ),
    "rotation": Defence(
        "turns images at random",
        "PoPETs 2026, arXiv 2603.07567",
        "largest angle, degrees",
        15.0,
        lambda v: {"rotation": v},
    ),
    "colour_jitter": Defence(
        "changes brightness, contrast and saturation of images at random",
        "PoPETs 2026, arXiv 2603.07567",
        "largest relative change, in [0, 1]",
        0.2,
        lambda v: {"colour_jitter": v},
    ),
}


def parse(spec: str) -> dict[str, float | None]:
    """Name -> number of each defence in a list such as dp_sgd:0.8,label_smoothing.

    Returns:
      The default where no number is given.

    Raises:
      UserError: an unknown name, one named twice, or a value that is no number.
    """
    found: dict[str, float | None] = {}
    for part in (p.strip() for p in spec.split(",") if p.strip()):
        name, colon, value = part.partition(":")
        if name not in DEFENCES:
            raise bad_choice("--defence", name, DEFENCES)
        if name in found:
            raise UserError(f"--defence={spec}: {name} is named twice")
        found[name] = DEFENCES[name].default
        if colon:
            found[name] = _number(part, value, DEFENCES[name].value)
    return found


def _number(part: str, text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"--defence={part}: give a number after the colon: {what}")
    return number


def effective(experiment: Experiment) -> Experiment:
    """The experiment with the flags that its defences set: what training goes by.

    Raises:
      UserError: a defence is unknown, its number makes no sense, two set one flag, or a flag is
        given that belongs to a defence which is not.
    """
    e, found = experiment, parse(experiment.defence)
    for name, line in DEFENCES.items():
        for flag in line.own if name not in found else ():
            if getattr(e, flag) != FIELDS[flag].default:
                raise UserError(
                    f"--{shown(flag, getattr(e, flag))}: it is for --defence={name}; add that, or "
                    "drop the flag"
                )
    if e.recipe and found:
        raise UserError(
            f"--defence={e.defence}: --recipe={e.recipe} is a training step of your own; build the "
            "defence into it"
        )
    setter: dict[str, str] = {}
    for name, number in found.items():
        fields = DEFENCES[name].fields(number)
        for field in fields:
            if field in setter:
                raise UserError(
                    f"--defence={e.defence}: {setter[field]} and {name} both set --{field}; give "
                    "one of them"
                )
        setter |= dict.fromkeys(fields, name)
        try:
            e = experiment_lib.validate(dataclasses.replace(e, **fields))
        except UserError as error:
            raise UserError(f"--defence={name}:{number:g}: {error}") from None
    if {"dp_sgd", "adversarial_regularization"} <= set(found):
        raise UserError(
            f"--defence={e.defence}: the attack of adversarial_regularization sees members without "
            "noise, so that dp_sgd would prove nothing; drop one of them"
        )
    if found.get("dp_sgd") is not None and e.dp_epsilon:
        raise UserError(
            f"--dp_epsilon={e.dp_epsilon:g}: it chooses the noise, and --defence={e.defence} gives "
            "it; drop one of them"
        )
    return e


def help_text() -> str:
    """All defences in a sentence each, for --help."""
    lines = []
    for name, line in DEFENCES.items():
        default = "" if line.default is None else f", default {line.default:g}"
        lines.append(f"{name}[:{line.value}{default}]: {line.summary} ({line.source}).")
    return " ".join(lines)
