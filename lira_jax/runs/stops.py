"""After which epoch each model of a run is released: what --stop_at says of the scored epochs.

Early stopping is so a choice among dumps that are there: every model is stopped by the same rule on
its own curve, the targets as their shadow models.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from lira_jax.errors import UserError
from lira_jax.experiment import Experiment, scored_epochs
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.layout import POOL, View

BEST_TEST_LOSS = "best_test_loss"


@dataclasses.dataclass(frozen=True)
class Stop:
    """Where one model is stopped.

    Attributes:
      epoch: epochs that it was trained for.
      view: where its signals are.
    """

    epoch: int
    view: View


def of_models(run: RunDirectory, experiment: Experiment, stop_at: str) -> list[Stop]:
    """Where each model of a run is stopped.

    Args:
      stop_at: a scored epoch; best_test_loss, the epoch with the least loss on the test set;
        accuracy:0.76, the one whose accuracy on the test set is nearest (as Song and Mittal 2021
        choose one to compare a defence with, https://arxiv.org/abs/2003.10595); of several the
        earliest. Empty for the end of training.

    Raises:
      UserError: an epoch that is not scored, no such rule, or no test set to judge by.
    """
    e, given = experiment, f"--stop_at={stop_at}"
    end = Stop(e.epochs, POOL)
    scored = {epoch: Stop(epoch, layout.epoch(epoch)) for epoch in scored_epochs(e)}
    if stop_at == "":
        return [end] * e.num_models
    if re.fullmatch(r"\d+", stop_at):
        if stop := scored.get(int(stop_at)) or (end if int(stop_at) == e.epochs else None):
            return [stop] * e.num_models
        raise UserError(
            f"{given}: the run in {run.path} is scored after "
            f"{'epochs ' + ', '.join(map(str, scored)) if scored else 'its last epoch alone'}; "
            "give one of them, or train anew with other --score_epochs"
        )
    wanted = re.fullmatch(r"accuracy:(0?\.\d+|1|1\.0*)", stop_at)
    if stop_at != BEST_TEST_LOSS and not wanted:
        raise UserError(
            f"{given}: give a scored epoch, {BEST_TEST_LOSS}, or accuracy:A with an accuracy on "
            "the test set such as accuracy:0.76"
        )
    # Attacks read all models' signals as one array, so their queries must be as many.
    if e.epoch_queries in (0, e.queries):
        scored.setdefault(e.epochs, end)
    records, judged_by = logged(run), "test_accuracy" if wanted else "test_loss"
    if all(record.get(judged_by) is None for record in records.values()):
        raise UserError(
            f"{given}: {run.path / layout.METRICS} knows no {judged_by}; give an epoch, or "
            "train with a test set"
        )

    def distance(model: int, epoch: int) -> float:
        value = records.get((model, epoch), {}).get(judged_by)
        if value is None:
            return math.inf
        return abs(value - float(wanted[1])) if wanted else value

    found = []
    for model in range(e.num_models):
        _, epoch = min((distance(model, epoch), epoch) for epoch in scored)
        found.append(scored[epoch])
    return found


def logged(run: RunDirectory) -> Mapping[tuple[int, int], dict[str, Any]]:
    """(model, epoch) -> what metrics.jsonl says last of it."""
    return {(r["model"], r["epoch"]): r for r in run.read_metrics()}
