"""The attacks that take a variance from elsewhere than the example's own list, beside LiRA.

    python scripts/measure_attacks.py RUN [--models=8,16,32,64] [--attacks=lira_online,...]

Every model of a scored run with balanced masks is a target. With fewer models than the run has, its
shadows are a random few of the others for each example, n / 2 - 1 in and as many out: what a run of
n models leaves of a list. (The first n models of a run are no such run: their masks are not
balanced.) Prints AUC and TPR at 1 % and .1 % FPR over all targets, in percent, and the seconds that
all targets took.
"""

import argparse
import time

import numpy as np

from lira_jax.attacks.selection import named, table_of
from lira_jax.audit import fewer_shadows
from lira_jax.errors import UserError
from lira_jax.evaluation.roc import auc, roc, tpr_at_fpr
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import load_evidence

MEASURED = (
    *("lira_online", "lira_online_diagonal", "lira_online_fixed", "lira_moderated"),
    *("bavaria_n", "bavaria_t", "lira_offline", "lira_offline_diagonal", "lira_offline_fixed"),
    *("lira_moderated_offline", "lira_offline_predicted", "bavaria_n_offline", "bavaria_t_offline"),
)


def measure(evidence, number, names):
    """Prints a row an attack."""
    whole = number == len(evidence.keep)
    parts = [evidence] if whole else restricted(evidence, number - 2)
    print(f"\n{number} models\n{'attack':24}     AUC  TPR@1%  TPR@.1%  seconds")
    for name, attack in ((name, table_of(names)[name]) for name in names):
        started = time.perf_counter()
        try:
            scores = np.concatenate([attack.run(part) for part in parts])
        except UserError as error:
            print(f"{name:24}  {error}")
            continue
        seconds = time.perf_counter() - started
        curve = roc(scores.ravel(), evidence.members.ravel())
        rates = [100 * tpr_at_fpr(curve, fpr) for fpr in (1e-2, 1e-3)]
        print(f"{name:24}  {auc(curve):.4f}  {rates[0]:6.2f}  {rates[1]:7.2f}  {seconds:7.1f}")


def restricted(evidence, num_shadows):
    """The evidence against each target, with so few shadows."""
    return [fewer_shadows.restrict(evidence, t, num_shadows) for t in range(len(evidence.keep))]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a scored run directory")
    parser.add_argument("--models", default="8,16,32,64", help="numbers of models")
    parser.add_argument("--attacks", default=",".join(MEASURED), help="names of attacks")
    a = parser.parse_args()
    run = RunDirectory(a.run)
    evidence = load_evidence(run, run.read_experiment(), "all").evidence
    for number in (int(n) for n in a.models.split(",")):
        if number <= len(evidence.keep):
            measure(evidence, number, named(a.attacks))


if __name__ == "__main__":
    main()
