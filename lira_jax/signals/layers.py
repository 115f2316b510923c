"""What one layer of a model gives, as features of the example."""

import jax

from lira_jax.errors import UserError
from lira_jax.signals.measure import Measurement

_SHOWN = 20  # names in a message


def layers(batch: Measurement, *, layer: str) -> jax.Array:
    """The features of one layer, flattened.

    Rezaei and Liu 2021, section 5.2 (https://arxiv.org/abs/2005.13702).

    Args:
      layer: "-1" for the last hidden layer, which is what goes into the last fully connected one;
        "-2" for what goes into the one before, and so on; or the name of a layer, for its output.

    Returns:
      float32 [B, units].

    Raises:
      UserError: there is no such layer.
    """
    found = batch.network.layers(batch.variables, batch.normalised)
    inputs = list(found.inputs.values())
    if not found.outputs:
        raise UserError(
            f"--signals=layer={layer}: flax knows of no layer in the model, as where it is made of "
            "parameters and functions alone; leave the signal out"
        )
    if layer.removeprefix("-").isdigit():
        place = int(layer)
        if not -len(inputs) <= place <= -1:
            raise UserError(
                f"--signals=layer={layer}: "
                + (
                    f"the model has {len(inputs)} fully connected layers; count from -1, the last "
                    f"one's input, to -{len(inputs)}"
                    if inputs
                    else "the model has no fully connected layer that flax knows of, whose input "
                    f"would be the last hidden layer; name one, as layer=NAME: {_listed(found)}"
                )
            )
        features = inputs[place]
    elif layer in found.outputs:
        features = found.outputs[layer]
    else:
        raise UserError(
            f"--signals=layer={layer}: the model has no such layer; it is a number from -1, the "
            f"last hidden layer, down, or a name: {_listed(found)}"
        )
    return features.reshape(len(batch.labels), -1)


def _listed(found) -> str:
    names = sorted(found.outputs, key=lambda name: found.outputs[name].ndim)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
