"""Did a shadow model learn anything? One that did not must not be fitted as if it had."""

import numpy as np


def diagnose(
    correct: np.ndarray | None, finite: np.ndarray, labels: np.ndarray, keep: np.ndarray
) -> str | None:
    """What is wrong with a model, in a few words, or None.

    Args:
      correct: bool [examples], whether the plain query's prediction is right; None of outputs that
        are no logits.
      finite: bool [examples], whether its outputs are finite.
      labels: int [examples].
      keep: bool [examples], its members.

    Returns:
      None, or why the model has diverged: outputs that are not finite, or an accuracy on its own
      members that is not above that of always guessing their most frequent class by three standard
      errors.
    """
    if not finite.all():
        return f"NaN or infinite outputs on {np.count_nonzero(~finite)} examples"
    if correct is None:
        return None
    members = np.count_nonzero(keep)
    if not members:  # a mask of another tool may be empty
        return None
    chance = np.bincount(labels[keep]).max() / members
    accuracy = correct[keep].mean()
    if accuracy <= chance + 3 * np.sqrt(chance * (1 - chance) / members) and accuracy < 1:
        return f"accuracy {accuracy:.1%} on its own members is at chance ({chance:.1%})"
    return None
