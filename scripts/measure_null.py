"""What the attacks find where there is nothing to find.

    python scripts/measure_null.py [--attacks=fast] [--models=8,16,64,256] [--masks=balanced,...]
        [--runs=20]

Makes runs whose outputs are independent of who trained on what: an example's logits are its own,
plus noise of each model. Each run is attacked and evaluated as lira-attack does, and its 95 %
intervals should hold chance in 95 % of the runs: an AUC of one half, and of the TPR at 1 % FPR what
it is on average: with k of n non-members at or above the threshold it is (k + 1) / (n + 1), for all
members count down to the next non-member. Of more than 32 models, 32 are targets. A row an
attack, kind of masks and number of models:

    AUC     mean over the runs, with its standard error
    above   runs whose interval of the AUC lies above one half: a leak that is none; 2.5 % are due
    below   runs whose interval lies below it; 2.5 % are due
    TPR     mean of TPR minus that, in percent, with its standard error
    above, below   the same of that interval

A row is marked "above" (a leak that is none) or "below" where chance explains it in less than 1 of
100 / rows cases: by the mean AUC and Student's t, or by a count and the binomial distribution at
2.5 %. These bounds follow from the numbers of runs and rows alone. The mean of the TPR is not
tested: where few false alarms set the threshold it is too skewed for Student's t. At the end stand
the same counts of each attack over all its rows.
"""

import argparse
import collections
from typing import NamedTuple

import numpy as np
from scipy import stats

from lira_jax.attacks.selection import named, on_signals
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Inside, Outside
from lira_jax.attacks.table import ATTACKS
from lira_jax.data import masks as masks_lib
from lira_jax.errors import UserError
from lira_jax.evaluation.intervals import target_intervals
from lira_jax.evaluation.ranked import Ranked
from lira_jax.evaluation.roc import auc

CLASSES = 4
FPR = 0.01
RESAMPLES = 200
ERROR = 0.01
"""Chance that any row of the table is marked though no attack knows anything."""


def noise(kind, num_models, num_examples, seed, queries=2, max_targets=32):
    """Evidence of which nothing depends on the masks but the masks.

    Args:
      kind: of the masks; of disjoint ones the targets are the first half of the models, on the
        examples that no shadow trained on; what learns does so from the others.
      num_models, num_examples: M and N.
      seed: of the masks and the scores.
      queries: of phi, each with noise of its own; logits are of the first.
      max_targets: most models that are targets, spread over all.
    """
    rng = np.random.default_rng([seed, num_models])
    keep = masks_lib.draw(kind, num_models, num_examples, seed=seed)
    labels = rng.integers(0, CLASSES, num_examples).astype(np.int32)
    own = 2 * rng.normal(size=(num_examples, CLASSES))
    own[np.arange(num_examples), labels] += 2
    logits = own[:, None] + rng.normal(size=(num_models, num_examples, queries, CLASSES))
    others = np.where(np.arange(CLASSES) == labels[:, None, None], -np.inf, logits)
    label = np.take_along_axis(logits, labels[None, :, None, None], -1)[..., 0]
    phi = label - np.logaddexp.reduce(others, -1)
    signals = {"phi": phi.astype(np.float32), "logits": logits[:, :, 0].astype(np.float32)}
    everything = Signals(signals, labels)
    if kind == "disjoint":
        first, pool = masks_lib.first_shadow(num_models), masks_lib.targets_pool(keep)
        outside = Outside(everything.of(models=np.arange(first)), keep[:first])
        shadows = Inside(np.arange(first, num_models))
        theirs = Evidence(labels, keep, everything, shadows).select(~pool)
        evidence = Evidence(labels, keep, everything, outside, theirs)
        return evidence.models(np.arange(first, num_models)).select(pool)
    spread = np.linspace(0, num_models, min(num_models, max_targets), endpoint=False).astype(int)
    return Evidence(labels, keep, everything, Inside(spread))


class Found(NamedTuple):
    """What one run says: values less chance, and on which side of it their intervals lie (-1, 0 or
    1); NaN of the TPR where the ROC has no step at so low an FPR."""

    area: float
    area_side: int
    gain: float
    gain_side: float


def judge(scores, members):
    """Metrics of attack scores [targets, examples] and their intervals, against chance."""
    ranked = Ranked.of(scores, members)
    curve = ranked.all().curve()
    rows = [pairs for pairs in ranked.rows if pairs.size]
    intervals = target_intervals(curve, rows, resamples=RESAMPLES)
    area, step = auc(curve), curve.step(FPR)
    side = _side(intervals["auc"], 0.5)
    if step == 0:
        return Found(area - 0.5, side, np.nan, np.nan)
    chance = (curve.fpr[step] * curve.num_nonmembers + 1) / (curve.num_nonmembers + 1)
    gain = curve.tpr[step] - chance
    return Found(area - 0.5, side, gain, _side(intervals["tpr_at_1e-2"], chance))


def _side(interval, chance):
    return int(interval[0] > chance) - int(interval[1] < chance)


def size(num_models):
    """How many examples: pairs enough for some 16 false alarms at 1 % FPR."""
    return max(3200 // num_models, 100)


def measure(attack, kind, num_models, runs, num_examples=0, max_targets=32):
    """float [runs, 4], of `Found`; None where the attack does not run on such masks."""
    found = []
    for seed in range(runs):
        e = noise(kind, num_models, num_examples or size(num_models), seed, max_targets=max_targets)
        try:
            found.append(judge(attack.run(e), e.members))
        except UserError:
            return None
    return np.array(found, float)


def mark(found, rows):
    """On which sides of chance a row is by more than chance explains, at ERROR over all rows and
    the six tests of each: "above", "below", both or neither."""
    tail = ERROR / rows / 6
    areas = found[:, 0]
    error = np.std(areas, ddof=1) / np.sqrt(len(areas))
    far = stats.t.isf(tail, len(areas) - 1) * error
    sides = {"above": areas.mean() > far > 0, "below": areas.mean() < -far < 0}
    for counted in (found[:, 1], found[:, 3]):
        most = stats.binom.isf(tail, np.count_nonzero(~np.isnan(counted)), 0.025)
        sides["above"] |= np.count_nonzero(counted == 1) > most
        sides["below"] |= np.count_nonzero(counted == -1) > most
    return " ".join(side for side, is_marked in sides.items() if is_marked)


def row(found):
    cells = []
    for column, scale, plus in ((0, 1, 0.5), (2, 100, 0)):
        values, sides = found[:, column], found[:, column + 1]
        known = values[~np.isnan(values)]
        if len(known) < 2:
            cells.append(f"{'-':>30}")
            continue
        error = scale * np.std(known, ddof=1) / np.sqrt(len(known))
        mean = scale * np.mean(known) + plus
        above, below = np.sum(sides == 1), np.sum(sides == -1)
        cells.append(f"{mean:9.4f} +- {error:.4f}{above:5d}{below:5d}  ")
    return "".join(cells)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attacks", default="fast", help="names, ATTACK@SIGNAL, all or fast")
    parser.add_argument("--signal", default="", help="also attacks that take any, on this signal")
    parser.add_argument("--models", default="8,16,64,256", help="numbers of models")
    parser.add_argument("--masks", default="balanced,bernoulli,pairs,disjoint", help="kinds")
    parser.add_argument("--runs", type=int, default=20, help="of each row")
    parser.add_argument("--examples", type=int, default=0, help="of a run; 0 for some 3200 pairs")
    parser.add_argument("--targets", type=int, default=32, help="most targets of a run")
    a = parser.parse_args()
    names = named(a.attacks)
    if a.signal:
        names += sorted({f"{t.on_signal}@{a.signal}" for t in ATTACKS.values() if t.on_signal})
    table = {**ATTACKS, **on_signals(names, ATTACKS)}
    cells = [(k, int(m), n) for k in a.masks.split(",") for m in a.models.split(",") for n in names]
    print(f"{'attack':32}{'masks':10}{'M':>4}{'AUC':>9}{'above below':>22}{'TPR':>8}  above below")
    of_attack, marked = collections.defaultdict(list), 0
    for kind, num_models, name in cells:
        found = measure(table[name], kind, num_models, a.runs, a.examples, a.targets)
        if found is None:
            continue
        of_attack[name].append(found)
        unlike = mark(found, len(cells))
        marked += bool(unlike)
        print(f"{name:31} {kind:10}{num_models:4d}{row(found)}{unlike}", flush=True)
    print(f"\n{marked} rows are marked. All rows of an attack together, and runs in them:")
    for name, parts in of_attack.items():
        every = np.concatenate(parts)
        unlike = mark(every, len(of_attack))
        print(f"{name:31} {'':10}{len(every):4d}{row(every)}{unlike}")


if __name__ == "__main__":
    main()
