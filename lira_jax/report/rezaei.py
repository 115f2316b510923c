"""Tables 1 to 7 of Rezaei and Liu 2021 of a run, with the published rows beneath.

On the Difficulty of Membership Inference Attacks, https://arxiv.org/abs/2005.13702.
"""

import math
from collections.abc import Callable, Sequence

from lira_jax import progress
from lira_jax.audit.known_found import AS_THEY_ARE, NAIVE, Found
from lira_jax.audit.known_ways import LAYER
from lira_jax.errors import UserError, bad_choice
from lira_jax.evaluation.assessment import RATIOS
from lira_jax.evaluation.groups import GROUPS, GroupDecisions
from lira_jax.report.details import Table, percent
from lira_jax.report.rezaei_published import PUBLISHED

NAME = "rezaei"
Rows = list[list[str]]

_BALANCED = "bal. acc."
_BRACKETS = "In brackets the 95 % interval of the mean over classes."
_DECISIONS = {
    "precision_member": "P+",
    "recall_member": "R+",
    "precision_nonmember": "P-",
    "recall_nonmember": "R-",
    "balanced_accuracy": _BALANCED,
    "far": "FAR",
}
_FIRST = {
    "accuracy": "attack acc.",
    "precision_member": "precision",
    "recall_member": "recall",
    "f1_member": "F1",
    "balanced_accuracy": _BALANCED,
    "far": "FAR",
}


def parse(asked: str) -> list[int]:
    """The tables that --tables names; empty for none of them.

    Raises:
      UserError: no such tables.
    """
    if not asked:
        return []
    name, colon, number = asked.partition(":")
    if name == NAME and not colon:
        return list(_TABLES)
    if name != NAME or number not in map(str, _TABLES):
        raise bad_choice("--tables", asked, [NAME, *(f"{NAME}:{n}" for n in _TABLES)])
    return [int(number)]


def ways(numbers: Sequence[int], saved: Sequence[str]) -> list[str]:
    """What has to be looked at for some tables, as --known_ways names it.

    Args:
      saved: signals; of several tables, those are left out that others are needed for, with a
        note.

    Raises:
      UserError: there is one table alone, and its signals are not saved.
    """
    needed = [signal for number in numbers for signal in _SIGNALS[number]]
    lacking = [signal for signal in needed if signal not in saved]
    if lacking and len(numbers) == 1:
        more = ",".join(dict.fromkeys([*saved, *lacking]))
        raise UserError(
            f"--tables={NAME}:{numbers[0]}: the signal {lacking[0]} is not saved; run lira-score "
            f"--signals={more}"
        )
    if lacking:
        more = ",".join(dict.fromkeys([*saved, *lacking]))
        progress.note(
            f"tables of {', '.join(lacking)} are left out; run lira-score --signals={more}"
        )
    names = {"logits": "softmax"}
    more_layers = [name for name in saved if name.startswith(LAYER)] if 5 in numbers else []
    found = [names.get(s, s) for s in (*needed, *more_layers) if s not in lacking]
    return list(dict.fromkeys(found))


def tables(found: Found, numbers: Sequence[int], run: str) -> list[Table]:
    """The tables, as far as it is known what they show.

    Args:
      found: what the attacker finds.
      numbers: of the tables.
      run: what the run's own row is called.
    """
    names = {"logits": "softmax"}
    return [
        _TABLES[number](found, run)
        for number in numbers
        if all(names.get(signal, signal) in found.ways for signal in _SIGNALS[number])
    ]


def _table(number: int, title: str, columns: Sequence[str], rows: Rows, note: str = "") -> Table:
    published = [[f"{name} (published)", *cells] for name, cells in PUBLISHED[number].items()]
    return Table(f"Table {number}: {title}, in percent", ["", *columns], rows + published, note)


def _softmax(found: Found, run: str) -> Table:
    decided = found.ways["softmax"].mixes[AS_THEY_ARE]
    row = [run, *(percent(getattr(decided, name)) for name in _FIRST)]
    return _table(
        1, "the attack on confidences", list(_FIRST.values()), [row], "All classes together."
    )


def _mixes(found: Found, run: str) -> Table:
    rows = []
    for who, way in ((run, "softmax"), ("ZeroR", "")):
        for mix, ratio in RATIOS.items():
            if way:
                decided = found.ways[way].mixes[mix]
                cells = [percent(getattr(decided, name)) for name in _DECISIONS]
            else:  # it calls everybody a member
                cells = [percent(v) for v in (ratio / (1 + ratio), 1, 0, 0, 0.5, 1)]
            rows.append([f"{who}, {mix}", *cells])
    return _table(
        2,
        "the attack on confidences at other mixes of members and non-members",
        list(_DECISIONS.values()),
        rows,
        "P+, R+: precision and recall of members; P-, R-: of non-members. The paper balances what "
        "is learned from, as --known_sampling=under does.",
    )


def _overall(found: Found, run: str) -> Table:
    cells = [
        *found.accuracy,
        *(found.ways[way].groups["all"].class_balanced_accuracy for way in ("softmax", NAIVE)),
    ]
    return _table(
        3,
        "accuracy of the targets and balanced accuracy of attacks",
        ["train", "test", "attack", "naive attack"],
        [[run, *map(percent, cells)]],
        "Of the attacks, the mean over classes.",
    )


def _confidences(found: Found, run: str) -> Table:
    cells = []
    for group in GROUPS:
        decided, sure = found.ways["softmax"].groups[group], found.confidences[group]
        wrong = group == "misclassified"
        means = (
            (sure.members_predicted, sure.nonmembers_predicted)
            if wrong
            else (sure.members, sure.nonmembers)
        )
        cells += [decided.class_balanced_accuracy, decided.class_far, *means]
    return _table(
        4,
        "the attack on confidences, and mean confidences",
        [
            f"{what}, {g}"
            for g in GROUPS
            for what in (_BALANCED, "FAR", "train conf.", "test conf.")
        ],
        [[run, *map(percent, cells)]],
        "Confidence in the label; of misclassified examples, in the predicted class.",
    )


def _layers(found: Found, run: str) -> Table:
    rows = []
    for way, known in found.ways.items():
        if way == "layers" or way.startswith(LAYER):
            figures = [known.groups[group] for group in GROUPS]
            cells = [v for f in figures for v in (f.class_balanced_accuracy, f.class_far)]
            name = "-1" if way == "layers" else way.removeprefix(LAYER)
            rows.append([f"{run}, {name}", *map(percent, cells)])
    return _table(
        5,
        "the attack on layers",
        [f"{what}, {group}" for group in GROUPS for what in (_BALANCED, "FAR")],
        rows,
        "-1 is what goes into the last fully connected layer.",
    )


def _distance(found: Found, run: str) -> Table:
    rows = []
    for group in GROUPS:
        decided = found.ways["boundary_distance"].groups[group]
        inside, outside = found.distances[group]
        means = [f"{value:.3f}" if value == value else "-" for value in (inside, outside)]
        rows.append([f"{run}, {group}", *means, _balanced(decided), percent(decided.class_far)])
    return _table(
        6,
        "the attack on the distance to the boundary",
        ["distance, train", "distance, test", _BALANCED, "FAR"],
        rows,
        "Distances are in the units of the normalised input. All published balanced accuracies are "
        f"between 45 and 54, but for groups of hardly any member. {_BRACKETS}",
    )


def _gradients(found: Found, run: str) -> Table:
    shown = [(group, by) for group in GROUPS[1:] for by in ("w", "x")]
    cells = [_balanced(found.ways[f"gradient_norms_{by}"].groups[group]) for group, by in shown]
    return _table(
        7,
        "balanced accuracy of the attack on norms of the gradient",
        [f"{group}, {by}" for group, by in shown],
        [[run, *cells]],
        _BRACKETS,
    )


def _balanced(figures: GroupDecisions) -> str:
    """The mean over classes with its interval, which a class alone has not."""
    mean, margin = figures.class_balanced_accuracy, figures.class_balanced_accuracy_margin
    if math.isnan(margin):
        return percent(mean)
    low, high = max(0.0, mean - margin), min(1.0, mean + margin)
    return f"{percent(mean)} [{percent(low, 1)}, {percent(high, 1)}]"


_TABLES: dict[int, Callable[[Found, str], Table]] = {
    1: _softmax,
    2: _mixes,
    3: _overall,
    4: _confidences,
    5: _layers,
    6: _distance,
    7: _gradients,
}
_SIGNALS = {
    **dict.fromkeys((1, 2, 3, 4), ("logits",)),
    5: ("layers",),
    6: ("boundary_distance",),
    7: ("gradient_norms_w", "gradient_norms_x"),
}
"""What each table is made of."""
