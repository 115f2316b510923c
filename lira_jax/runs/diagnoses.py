"""What is known of the health of a run's models, and what the user is told of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from lira_jax.errors import UserError
from lira_jax.progress import named_models
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.health import Diagnosis, Summary
from lira_jax.runs.layout import POOL

SAME_ACCURACY = 0.02
"""By so much a model's accuracy may differ between training's end and scoring."""

_WORSE = 1.5
"""A training loss so many times that of a guess is no slow start."""


def of_training(run: RunDirectory) -> dict[int, Diagnosis]:
    """Model -> training's last word on it, as far as it was trained."""
    return {model: Diagnosis.of_entry(record) for model, record in last_records(run).items()}


def last_records(run: RunDirectory) -> dict[int, dict]:
    """Model -> its newest line of metrics.jsonl."""
    return {r["model"]: r for r in run.read_metrics() if "model" in r}


def diverged(found: Mapping[int, Diagnosis], kind: str = "model") -> str:
    """A line on the models that have diverged; empty if none has."""
    why = {m: d.diverged for m, d in found.items() if d.diverged}
    one, several = "has diverged and is left out", "have diverged and are left out"
    return _line(why, kind, one, several)


def learned_nothing(found: Mapping[int, Diagnosis], kind: str = "model") -> str:
    """A line on the models that learned nothing; empty if none did."""
    how = {m: d.learned_nothing for m, d in found.items() if d.learned_nothing}
    alike = "attacked like the others"
    return _line(how, kind, f"learned nothing and is {alike}", f"learned nothing and are {alike}")


def _line(reasons: Mapping[int, str], kind: str, one: str, several: str) -> str:
    """What is said of one model or of several, with the reasons; empty if there is none."""
    if not reasons:
        return ""
    said = several if len(reasons) > 1 else one
    return f"{named_models(reasons, kind)} {said}: {_reasons(reasons)}"


def warnings(run: RunDirectory, found: Mapping[int, Diagnosis], kind: str = "model") -> list[str]:
    """The same two lines for the user, with how the models would fit better.

    Args:
      run: whose metrics.jsonl says how well the models fit.
      found: of some models.
      kind: what the models are called.
    """
    lost, nothing = diverged(found, kind), learned_nothing(found, kind)
    if nothing:
        nothing += "; " + _advice(run, [m for m, d in found.items() if d.learned_nothing])
    return [f"WARNING: {line}" for line in (lost, nothing) if line]


def check_trained(run: RunDirectory, num_models: int) -> None:
    """Checks that some model of a run can be used, as far as training knows.

    Raises:
      UserError: all of them have diverged.
    """
    found = of_training(run)
    if len(found) == num_models:
        check_any_usable(run, found)


def check_any_usable(
    run: RunDirectory, found: Mapping[int, Diagnosis], kind: str = "model"
) -> None:
    """Checks that some of these models can be used.

    Raises:
      UserError: all of them have diverged.
    """
    why = [d.diverged for d in found.values() if d.diverged]
    if found and len(why) == len(found):
        rate = f"{run.read_experiment().learning_rate:g}"
        raise UserError(
            f"{run.path}: {named_models(found, kind)} {'have' if len(found) > 1 else 'has'} "
            f"diverged ({why[0]}), and no attack can use that; train again in another --workdir, "
            f"with a lower --learning_rate than {rate}"
        )


def moved(record: Mapping[str, Any], outputs: Summary, labels: np.ndarray, keep: np.ndarray) -> str:
    """How far a model's accuracy is from that at the end of its training; empty if it is not.

    The code of both passes is the same, but another device may round a close call otherwise: so a
    difference counts from SAME_ACCURACY on, and from three examples on.

    Args:
      record: the model's line of metrics.jsonl.
      outputs: of the pool now.
      labels: int [examples].
      keep: bool [examples], its members.
    """
    for name, of, which in (("train", "members", keep), ("out", "non-members", ~keep)):
        now, then = outputs.accuracy(labels, which), record.get(f"{name}_accuracy")
        if now is None or then is None:
            continue
        if abs(now - then) > max(SAME_ACCURACY, 2.5 / np.count_nonzero(which)):
            return f"{now:.1%} of the {of} are predicted right, and {then:.1%} were"
    return ""


def _reasons(of_models: Mapping[int, str | None]) -> str:
    reasons = list(dict.fromkeys(str(why) for why in of_models.values()))
    return ("such as " if len(reasons) > 1 else "") + reasons[0]


def _advice(run: RunDirectory, models: Sequence[int]) -> str:
    """How they would fit better, as the training loss tells."""
    records, labels = last_records(run), run.read(POOL.labels, (None,))
    guess = float(scipy.stats.entropy(np.bincount(labels)))  # the loss of the classes' frequencies
    losses = [records[m]["loss"] for m in models if records.get(m, {}).get("loss") is not None]
    if not losses or run.read_experiment().recipe:  # whose loss may be any
        return "more --epochs or another --learning_rate may fit better"
    loss = float(np.median(losses))
    compared = f"their training loss is {loss:.4g}, that of a guess {guess:.4g}"
    if loss > _WORSE * guess:
        return f"{compared}: a lower --learning_rate may fit better"
    return f"{compared}: more --epochs or a higher --learning_rate may fit better"
