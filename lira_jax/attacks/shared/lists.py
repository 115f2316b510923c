"""Refuses attacks whose in or out lists would be empty."""

import numpy as np

from lira_jax.attacks.shared.inputs import Inputs
from lira_jax.errors import UserError


def require(inputs: Inputs, lists: tuple[bool, ...], attack: str) -> None:
    """Checks that every example has a shadow score left in each list.

    Args:
      inputs: of the attack.
      lists: the keep bits of the lists it reads: True the in list, False the out list.
      attack: what to call it in the message.

    Raises:
      UserError: without the target and its partner a list of some example is empty.
    """
    gone = inputs.targets is not None  # each list loses the target or its partner
    num_in = inputs.keep.sum(0)
    left = {True: num_in - gone, False: len(inputs.keep) - num_in - gone}
    empty = np.any([left[bit] < 1 for bit in lists], axis=0)
    if not empty.any():
        return
    i = int(empty.argmax())
    raise UserError(
        f"example {i} has {max(left[True][i], 0)} in and {max(left[False][i], 0)} out shadow "
        f"scores{' without the target and its partner' if gone else ''}, {attack} needs 1 "
        f"{'of each' if len(lists) == 2 else 'out'}: use more models (--num_models) or balanced "
        "masks (--masks=balanced)"
    )
