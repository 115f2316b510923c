"""The attacks that take a variance from elsewhere than the example's own list, beside LiRA.

    python scripts/measure_attacks.py RUN [--models=8,16,32,64] [--attacks=lira_online,...]

Every model of a scored run with balanced masks is a target. With fewer models than the run has, its
shadows are a random few of the others for each example, n / 2 - 1 in and as many out: what a run of
n models leaves of a list. (The first n models of a run are no such run: their masks are not
balanced.) Prints AUC and TPR at 1 % and .1 % FPR over all targets, the TPRs in percent with 95 %
intervals, what each attack's TPRs are above those of --against, and the seconds that all targets
took. The interval of a difference is paired: the standard error of a bootstrap over the targets,
which both attacks share, times Student's quantile.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
from scipy import stats

from lira_jax.attacks.selection import named, table_of
from lira_jax.audit import fewer_shadows
from lira_jax.errors import UserError
from lira_jax.evaluation.summary import evaluate
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import load_evidence

MEASURED = (
    *("lira_online", "lira_online_diagonal", "lira_online_fixed", "lira_moderated"),
    *("bavaria_n", "bavaria_t", "lira_offline", "lira_offline_diagonal", "lira_offline_fixed"),
    *("lira_moderated_offline", "lira_offline_predicted", "bavaria_n_offline", "bavaria_t_offline"),
    *("rmia_online", "base_online", "base_offline", "loss"),
)
RATES = {"tpr_at_1e-2": 1e-2, "tpr_at_1e-3": 1e-3}
RESAMPLES = 400


def measure(evidence, number, names, against):
    """Prints a row an attack."""
    whole = number == len(evidence.keep)
    parts = [evidence] if whole else restricted(evidence, number - 2)
    table, found = table_of((against, *names)), {}
    for name in (against, *(n for n in names if n != against)):
        try:
            found[name] = Measured.of(table[name], parts, evidence.members)
        except UserError as error:
            print(f"{name}: {error}")
    heads = ("TPR@1%", "TPR@.1%", f"@1% - {against}", "@.1%")
    print(f"\n{number} models\n{'attack':24}  AUC     {''.join(f'{h:24}' for h in heads)}seconds")
    for name in names:
        if name in found:
            print(f"{name:24}  {found[name].row(found.get(against))}", flush=True)


class Measured(NamedTuple):
    """An attack at one number of models; resampled is float64 [resamples, RATES]."""

    metrics: dict
    resampled: np.ndarray
    num_targets: int
    seconds: float

    @classmethod
    def of(cls, attack, parts, members):
        started = time.perf_counter()
        scores = np.concatenate([attack.run(part) for part in parts])
        seconds = time.perf_counter() - started
        rates = np.array(list(RATES.values()))
        metrics = evaluate(scores, members).metrics
        return cls(metrics, resampled(scores, members, rates), len(scores), seconds)

    def row(self, base):
        rates = [self.metrics[rate] for rate in RATES]
        cells = [percents(rate.value, rate.low, rate.high) for rate in rates]
        quantile = stats.t.ppf(0.975, self.num_targets - 1)
        quantile *= np.sqrt(self.num_targets / (self.num_targets - 1))
        for column, name in enumerate(RATES if base and base is not self else ()):
            gain = self.metrics[name].value - base.metrics[name].value
            half = quantile * np.std((self.resampled - base.resampled)[:, column])
            cells.append(percents(gain, gain - half, gain + half))
        cells += [""] * (4 - len(cells))
        row = "".join(f"{cell:24}" for cell in cells)
        return f"{self.metrics['auc'].value:.4f}  {row}{self.seconds:7.1f}"


def percents(value, low, high):
    return f"{100 * value:5.2f} [{100 * low:.2f}, {100 * high:.2f}]"


def resampled(scores, members, rates):
    """TPR at each FPR of all pairs, with targets drawn anew: float64 [resamples, rates].

    Args:
      scores: float64 [targets, examples], NaN where there is none.
      members: bool [targets, examples].
      rates: float [rates], FPRs.
    """
    number = len(scores)
    draws = np.random.default_rng(0).multinomial(number, np.full(number, 1 / number), RESAMPLES)
    order = np.argsort(-scores, axis=None)
    order = order[~np.isnan(scores.ravel()[order])]
    ordered, member = scores.ravel()[order], members.ravel()[order]
    target = order // scores.shape[1]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # of equal scores
    found = np.empty((RESAMPLES, len(rates)))
    for row, draw in enumerate(draws):
        weight = draw[target]
        tp, fp = (np.cumsum(weight * which)[last] for which in (member, ~member))
        step = np.searchsorted(fp, rates * fp[-1], side="right") - 1
        found[row] = np.where(step >= 0, tp[step], 0) / tp[-1]
    return found


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
    parser.add_argument("--against", default="lira_moderated", help="the attack to compare with")
    a = parser.parse_args()
    run = RunDirectory(a.run)
    evidence = load_evidence(run, run.read_experiment(), "all").evidence
    for number in (int(n) for n in a.models.split(",")):
        if number <= len(evidence.keep):
            measure(evidence, number, named(a.attacks), a.against)


if __name__ == "__main__":
    main()
