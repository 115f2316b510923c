"""All signals by name: the one table that drives --signals and ATTACK@SIGNAL.

To add one that needs the model, write measure(Measurement) -> float32 [B, ...] and a line here. One
that follows from saved ones needs no model: see attacks/shared/derived.py.
"""

import dataclasses
from collections.abc import Callable, Iterable

from lira_jax.attacks.shared.derived import DERIVED
from lira_jax.errors import UserError, bad_choice
from lira_jax.models.network import Network
from lira_jax.signals import sequence
from lira_jax.signals.measure import Measure, Measurement
from lira_jax.signals.phi import phi

_LIRA = "Carlini et al. 2022, https://arxiv.org/abs/2112.03570"


@dataclasses.dataclass(frozen=True)
class Signal:
    """What one model says of each example; higher = more likely a member.

    Attributes:
      summary: what it is, in a line.
      shape: of one query, in words.
      source: the paper with its year, and a link.
      cost: forward passes a query, if it is the only signal asked for; those that read
        `batch.outputs` share one. 0 for derived ones.
      measure: (Measurement) -> float32 [B, ...] of one model, written by lira-score; None if it is
        derived.
      derive: (saved signals, labels) -> float [models, examples]; None if it is measured.
      text: whether it is of models of text alone.
    """

    summary: str
    shape: str
    source: str
    cost: int
    measure: Measure | None = None
    derive: Callable | None = None
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
        measure=lambda batch: sequence.token_log_probabilities(batch.outputs, batch.inputs),
        text=True,
    ),
    **{
        name: Signal(line.summary, "one number", line.source, 0, derive=line.derive)
        for name, line in DERIVED.items()
    },
}
"""phi and logits are dumps of their own folders, other measured ones go to signals/NAME/."""


def measures(names: Iterable[str], network: Network) -> dict[str, Measure]:
    """How signals are measured: those of the table, and those that a user's recipe brings.

    Raises:
      UserError: an unknown name, one that is derived, or one of logits that the network has not.
    """
    found = {}
    for name in names:
        if name in network.signals:
            found[name] = _of_outputs(network.signals[name])
            continue
        if name not in SIGNALS:
            known = [n for n, s in SIGNALS.items() if s.measure]
            raise bad_choice("--signals", name, [*known, *network.signals])
        measure = SIGNALS[name].measure
        if measure is None:
            needs = " and ".join(DERIVED[name].needs)
            raise UserError(
                f"--signals={name}: it is computed from {needs} when an attack asks for it; name "
                f"{needs} instead"
            )
        fits = network.reads_text and (SIGNALS[name].text or name == "phi")
        if not fits and SIGNALS[name].text:
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
        found[name] = measure
    return found


def _of_outputs(measure: Callable) -> Measure:
    return lambda batch: measure(batch.outputs, batch.labels)
