"""All signals by name: the one table that drives --signals and ATTACK@SIGNAL.

To add one that needs the model, write measure(Measurement) -> float32 [B, ...] and a line here. One
that follows from saved ones needs no model: see attacks/shared/derived.py.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable

from lira_jax.attacks.shared.derived import DERIVED
from lira_jax.attacks.shared.plain import ARGUMENT, is_plain
from lira_jax.attacks.shared.texts import FACTS
from lira_jax.errors import UserError, bad_choice
from lira_jax.experiment import Experiment
from lira_jax.models import tokens
from lira_jax.models.network import Network
from lira_jax.signals import merlin as merlin_lib
from lira_jax.signals import sequence
from lira_jax.signals.boundary_distance import boundary_distance
from lira_jax.signals.gradient_norms import gradient_norms_w, gradient_norms_x
from lira_jax.signals.layers import layers
from lira_jax.signals.measure import Measure, Measurement
from lira_jax.signals.merlin import merlin
from lira_jax.signals.phi import phi

_LIRA = "Carlini et al. 2022, https://arxiv.org/abs/2112.03570"
_REZAEI = "Rezaei and Liu 2021, https://arxiv.org/abs/2005.13702"
_NORMS = "L1, L2, min, L-infinity, mean, skewness and kurtosis of the gradient of its loss by"


@dataclasses.dataclass(frozen=True)
class Signal:
    """What one model says of each example; higher = more likely a member.

    Attributes:
      summary: what it is, in a line.
      shape: of one query, in words.
      source: the paper with its year, and a link.
      cost: forward passes a query, if it is the only signal asked for; those that read
        `batch.outputs` share one. A gradient counts as two more. At most, and with the defaults of
        its flags, where it is not always the same. 0 for derived ones.
      measure: (Measurement, one keyword for each option) -> float32 [B, ...] of one model, written
        by lira-score; None if it is derived.
      derive: (saved signals, labels) -> float [models, examples]; None if it is measured.
      options: (Experiment) -> the keywords, if there are any.
      argument: keyword of what is named behind the signal, as in layer=Dense_0; empty if nothing.
      images: of one example that pass through the model at a time, more where it is a large step.
      text: whether it is of models of text alone.
    """

    summary: str
    shape: str
    source: str
    cost: int
    measure: Callable | None = None
    derive: Callable | None = None
    options: Callable[[Experiment], dict] | None = None
    argument: str = ""
    images: int = 1
    text: bool = False


def _phi(batch: Measurement):
    if batch.network.reads_text:
        return sequence.phi(batch.outputs, batch.inputs)
    return phi(batch.outputs, batch.labels)


SIGNALS: dict[str, Signal] = {
    "phi": Signal(
        "the scaled logit z_y - logsumexp of the other logits",
        "one number",
        f"{_LIRA}, equation 3",
        1,
        measure=_phi,
    ),
    "logits": Signal(
        "the network's outputs before the softmax",
        "classes",
        _LIRA,
        1,
        measure=lambda batch: batch.outputs,
    ),
    "token_losses": Signal(
        "of text, log p of each token given those before it",
        "tokens of the longest sequence",
        f"{_LIRA}, appendix",
        1,
        measure=lambda batch: tokens.log_probabilities(batch.outputs, batch.inputs),
        text=True,
    ),
    "token_z": Signal(
        "of text, the same standardised by all tokens that could stand there",
        "tokens of the longest sequence",
        "Zhang et al. 2025, https://arxiv.org/abs/2404.02936, equation 3",
        1,
        measure=lambda batch: sequence.token_z(batch.outputs, batch.inputs),
        text=True,
    ),
    "gradient_norms_w": Signal(
        f"{_NORMS} the weights",
        "7 numbers",
        f"{_REZAEI}, section 5.4",
        4,
        measure=gradient_norms_w,
        images=4,
    ),
    "gradient_norms_x": Signal(
        f"{_NORMS} the input",
        "7 numbers",
        f"{_REZAEI}, section 5.4",
        4,
        measure=gradient_norms_x,
    ),
    "boundary_distance": Signal(
        "how far the example is from another predicted class, uphill on its loss",
        "one number",
        f"{_REZAEI}, algorithm 1",
        1 + 3 * 501 + 62,
        measure=boundary_distance,
        options=lambda e: {"step": e.boundary_step, "steps": e.boundary_steps},
    ),
    "layers": Signal(
        "what goes into the last fully connected layer, the last hidden one",
        "units",
        f"{_REZAEI}, section 5.2",
        2,
        measure=functools.partial(layers, layer="-1"),
    ),
    "layer": Signal(
        "another layer: layer=-2 is the input of the fully connected layer before the last, "
        "layer=NAME the output of a layer",
        "units",
        f"{_REZAEI}, section 5.2",
        2,
        measure=layers,
        argument="layer",
    ),
    "merlin": Signal(
        "the share of noisy copies whose loss is above the example's own, for each scale",
        "scales of --merlin_scales",
        "Jayaraman et al. 2021, https://arxiv.org/abs/2005.10881",
        1 + 5 * merlin_lib.DRAWS,
        measure=merlin,
        options=lambda e: {"scales": e.merlin_noise},
        images=merlin_lib.DRAWS,
    ),
    **{
        name: Signal(line.summary, "one number", line.source, 0, derive=line.derive)
        for name, line in DERIVED.items()
    },
}
"""phi and logits are dumps of their own folders, other measured ones go to signals/NAME/."""


def measures(
    names: Iterable[str], network: Network, experiment: Experiment | None = None
) -> dict[str, Measure]:
    """How signals are measured: those of the table, and those that a user's recipe brings.

    Args:
      experiment: has the options of signals; None for the defaults.

    Raises:
      UserError: an unknown name, one that is derived, or one of logits that the network has not.
    """
    found = {}
    for name in names:
        if name in network.signals:
            found[name] = _of_outputs(network.signals[name])
            continue
        base, given, argument = name.partition(ARGUMENT)
        signal = SIGNALS.get(base)
        if (
            signal is None
            or bool(signal.argument) != bool(argument)
            or bool(given) > bool(argument)
        ):
            known = [
                f"{n}{ARGUMENT}NAME" if s.argument else n for n, s in SIGNALS.items() if s.measure
            ]
            raise bad_choice("--signals", name, [*known, *network.signals])
        if signal.measure is None:
            needs = " and ".join(n for n in DERIVED[name].needs if n not in FACTS)
            raise UserError(
                f"--signals={name}: it is computed from {needs} when an attack asks for it; name "
                f"{needs} instead"
            )
        fits = network.reads_text and (signal.text or name == "phi")
        if not fits and signal.text:
            raise UserError(f"--signals={name}: only models of text have it; name others")
        if not fits and network.reads_text:
            texts = ["phi", *(n for n, s in SIGNALS.items() if s.text)]
            raise UserError(
                f"--signals={name}: models of text do not have it; name {', '.join(texts)}"
            )
        if not fits and not network.classifies:
            others = ", ".join(network.signals) or "none"
            raise UserError(
                f"--signals={name}: the network's outputs are no logits of the classes; name "
                f"signals of the recipe ({others})"
            )
        options = {} if signal.options is None else signal.options(experiment or Experiment())
        if signal.argument:
            options[signal.argument] = argument
        found[name] = functools.partial(signal.measure, **options) if options else signal.measure
    return found


def queries(names: Iterable[str], experiment: Experiment) -> int:
    """Copies of each example that are asked about: one if all signals are of the plain query."""
    return 1 if all(is_plain_now(name, experiment) for name in names) else experiment.queries


def is_plain_now(name: str, experiment: Experiment) -> bool:
    """Whether a signal is of the plain query alone, as --save_logits says."""
    return is_plain(name) and not (name == "logits" and experiment.save_logits == "all")


def images(names: Iterable[str]) -> int:
    """The largest `images` of some signals."""
    lines = [SIGNALS.get(name.partition(ARGUMENT)[0]) for name in names]
    return max((line.images for line in lines if line is not None), default=1)


def _of_outputs(measure: Callable) -> Measure:
    return lambda batch: measure(batch.outputs, batch.labels)
