"""Tables of text that the terminal and the page share: how attacks decide, err and agree."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lira_jax.audit.results import FalsePositiveRate, ProbeResults, Results
from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.calibrated import Calibrated
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.groups import FEWEST, Confidence

Attacks = Mapping[str, AttackResults]
_WHO = ("members", "non-members")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
      title: what it shows.
      columns: headings.
      rows: each with as many texts as columns; a dash where a run cannot know a value.
      note: what a reader must know.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def calibrated(results: Results) -> list[Table]:
    """What is found with a threshold for each example; empty if that is not known."""
    if not results.calibrated:
        return []
    found = [_rates(results.calibrated)]
    accused = {n: c.accusations for n, c in results.calibrated.items() if c.accusations}
    if accused:
        bound = f"{100 * next(iter(accused.values())).fdr:g} %"
        found.append(
            Table(
                f"Accusations of which at most {bound} are expected to be false",
                ["statistic", "accused", "false", "false, mean share a target"],
                [
                    [name, str(a.accused), str(a.false), f"{100 * a.realised_fdr:.1f} %"]
                    for name, a in accused.items()
                ],
                "Benjamini and Hochberg 1995, on the p-values of each target's examples.",
            )
        )
    return found


def of_attacks(results: Results) -> list[Table]:
    """How each attack decides, errs and agrees; without tables that nothing is known of."""
    attacks = results.attacks
    found = [
        _decisions(attacks),
        _groups(attacks),
        confidence(results.confidence),
        Table(
            "Mean maximum prediction score by decision",
            *_columns(
                attacks,
                lambda a: a.maximum_scores,
                [
                    ("members called so", lambda s: _score(s.true_positives)),
                    ("non-members called members", lambda s: _score(s.false_positives)),
                    ("non-members called so", lambda s: _score(s.true_negatives)),
                    ("members called non-members", lambda s: _score(s.false_negatives)),
                ],
            ),
            "Mean over targets, at the thresholds above (Hintersdorf et al. 2022, table 3). Where "
            "the second is near the first, the attack takes confident non-members for members.",
        ),
        _transferred(attacks),
        Table(
            "Whose false alarms there are at 1 % FPR, in percent",
            *_columns(
                attacks,
                lambda a: a.false_alarms,
                [
                    ("examples that never raise one", lambda f: percent(f.never, 1)),
                    ("if all were equal", lambda f: percent(f.never_if_equal, 1)),
                    ("alarms of the top 5 %", lambda f: percent(f.top, 1)),
                    ("if all were equal", lambda f: percent(f.top_if_equal, 1)),
                ],
            ),
            "One threshold for all examples gives them unequal rates of false alarms (Jalko et al. "
            "2026).",
        ),
        Table(
            "How often two targets disagree about a member, at 1 % FPR",
            *_columns(
                attacks,
                lambda a: a.instability,
                [
                    ("mean", lambda i: f"{i.mean:.3f}"),
                    ("median", lambda i: f"{i.quantiles[0]:.3f}"),
                    ("90 % below", lambda i: f"{i.quantiles[2]:.3f}"),
                    ("99 % below", lambda i: f"{i.quantiles[4]:.3f}"),
                    ("examples with any", lambda i: f"{percent(i.ever, 1)} %"),
                ],
            ),
            "The chance that of two targets which trained on an example one finds it and the other "
            "does not (Hayes et al. 2025).",
        ),
        Table(
            "Whether targets agree on who is exposed",
            *_columns(
                attacks,
                lambda a: a.reproducibility,
                [
                    ("Jaccard of the top 1 %", lambda r: f"{r.jaccard:.3f}"),
                    ("by chance", lambda r: f"{r.jaccard_by_chance:.3f}"),
                    ("Spearman", lambda r: "-" if math.isnan(r.spearman) else f"{r.spearman:.3f}"),
                    ("found in 1 target or more", lambda r: str(sum(r.support[1:]))),
                    ("in 2 or more", lambda r: str(sum(r.support[2:]))),
                    ("in 5 or more", lambda r: str(sum(r.support[5:]))),
                ],
            ),
            "Jaccard and Spearman: neighbouring targets, on the members of both. Found: examples "
            "that score above every non-member of a target that trained on them (PoPETs 2026).",
        ),
        Table(
            "True negative rate where 0.1 % of the members are missed, in percent",
            *_columns(
                attacks,
                lambda a: a.tnr_at_fnr if a.tnr_at_fnr.is_known else None,
                [("TNR", _with_ends)],
            ),
            "Of the loss, a stand-in for LiRA's TPR that needs no shadow model (arXiv 2510.19773).",
        ),
        Table(
            "How often it is right about the 1 % of the examples that it is surest of, in percent",
            *_columns(
                attacks,
                lambda a: a.extremes if a.extremes.highest.is_known else None,
                [
                    ("members among the highest scores", lambda e: _with_ends(e.highest)),
                    ("non-members among the lowest", lambda e: _with_ends(e.lowest)),
                ],
            ),
            "Of the loss, the highest scores are the lowest losses (Carlini et al. 2022, III-B). "
            "Guessing is right as often as the share of members, or of non-members.",
        ),
        _epsilon(attacks),
    ]
    return [table for table in found if table.rows]


def of_probes(probes: Mapping[str, ProbeResults]) -> list[Table]:
    """The maximum prediction scores on each set of probes; empty without probes."""
    rates = {name: list(found.false_positive_rate) for name, found in probes.items()}
    attacks = list(dict.fromkeys(attack for own in rates.values() for attack in own))
    if not attacks:
        return []
    return [
        Table(
            "Maximum prediction scores on probes",
            ["probes", "how many", "mean", "distance from the members'"],
            [
                [
                    name,
                    "-" if found.num_probes is None else str(found.num_probes),
                    _score(found.maximum_score),
                    _score(found.score_shift),
                ]
                for name, found in probes.items()
            ],
            "Distance: earth mover's distance between the maximum scores of members and of the set "
            "(Hintersdorf et al. 2022, figure 4).",
        ),
        Table(
            "Mean maximum prediction score of probes called members, and of the others",
            ["probes", *attacks],
            [
                [name, *(_both_scores(found.false_positive_rate.get(a)) for a in attacks)]
                for name, found in probes.items()
            ],
            "MMPS of false positives / of true negatives, mean over targets (Hintersdorf et al. "
            "2022, table 3).",
        ),
    ]


def _epsilon(attacks: Attacks) -> Table:
    """A row an attack."""
    settings = {(a.epsilon.delta, a.epsilon.confidence) for a in attacks.values()}
    delta, confidence = next(iter(settings), (0.0, 0.0))
    return Table(
        f"Lower bounds on epsilon of differential privacy, at delta {delta:g} and confidence "
        f"{100 * confidence:g} %",
        *_columns(
            attacks,
            lambda a: a.epsilon,
            [
                ("bound", lambda e: f"{e.value:.2f}"),
                ("by", lambda e: e.strategy or "one threshold"),
                ("of one run", lambda e: "-" if math.isnan(e.one_run) else f"{e.one_run:.2f}"),
            ],
        ),
        "Each for one attack: the best of several would need the error divided between them. The "
        "bound takes an example's decision to be independent of the others'; that of one run "
        "(Steinke et al. 2023) does not, and is not known where membership was no coin flip.",
    )


def percent(value: Estimate | float, decimals: int = 2) -> str:
    """A fraction in percent without the sign; a dash for NaN."""
    value = value.value if isinstance(value, Estimate) else value
    return "-" if math.isnan(value) else f"{100 * value:.{decimals}f}"


def _rates(found: Mapping[str, Calibrated]) -> Table:
    """A row a statistic, a column a nominal false positive rate."""
    alphas = list(next(iter(found.values())).at)
    first = f"{100 * float(alphas[0]):g} %"
    rows = []
    for name, own in found.items():
        rates = [f"{percent(r.tpr, 3)} ({percent(r.fpr, 3)})" for r in own.at.values()]
        model = own.at[alphas[0]]
        rows.append([name, *rates, percent(model.model_tpr), percent(model.model_tpr_most_exposed)])
    return Table(
        "With a threshold for each example: TPR and, in brackets, the FPR in fact, in percent",
        [
            "statistic",
            *(f"at {100 * float(alpha):g} %" for alpha in alphas),
            *(f"model at {first}", f"model at {first}, most exposed 1 %"),
        ],
        rows,
        "A test of each example against its own out list (Jalko et al. 2026). Model: the mean TPR "
        "that normal in and out lists would have, computed and not counted.",
    )


def _decisions(attacks: Attacks) -> Table:
    """A row an attack and a ratio (Rezaei and Liu 2021, table 2)."""
    columns = {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced accuracy",
        "far": "FAR",
        "precision_member": "P+",
        "recall_member": "R+",
        "f1_member": "F1+",
        "precision_nonmember": "P-",
        "recall_nonmember": "R-",
        "f1_nonmember": "F1-",
    }
    return Table(
        "Decisions at thresholds of other models, in percent",
        ["attack", "members : non-members", *columns.values()],
        [
            [name, ratio, *(percent(getattr(decided, c), 1) for c in columns)]
            for name, attack in attacks.items()
            for ratio, decided in (attack.decisions or {}).items()
        ],
        "P, R and F1: precision, recall and their harmonic mean, of members (+) and non-members "
        "(-). FAR: false alarm rate (Rezaei and Liu 2021, table 2).",
    )


def _groups(attacks: Attacks) -> Table:
    """A row an attack, three groups of columns (Rezaei and Liu 2021, table 4)."""

    def with_sd(mean: float, sd: float) -> str:
        return percent(mean, 1) if math.isnan(sd) else f"{percent(mean, 1)} +- {percent(sd, 1)}"

    rows, names = [], []
    for name, attack in attacks.items():
        if attack.groups:
            names = list(attack.groups)
            cells = []
            for g in attack.groups.values():
                cells.append(with_sd(g.class_balanced_accuracy, g.class_balanced_accuracy_sd))
                cells.append(with_sd(g.class_far, g.class_far_sd))
            rows.append([name, *cells])
    return Table(
        "Decisions on rightly and wrongly classified examples, by class, in percent",
        ["attack", *(f"{metric}, {g}" for g in names for metric in ("balanced accuracy", "FAR"))],
        rows,
        "Unweighted mean over classes and standard deviation over them; classes with fewer than "
        f"{FEWEST} members or non-members in the group are left out (Rezaei and Liu 2021, table "
        "4). An attack near 50 % in both groups only repeats whether the target was right.",
    )


def confidence(found: Mapping[str, Confidence]) -> Table:
    """A row a group."""
    return Table(
        "Mean confidence of the targets, in percent",
        [
            "examples",
            *(f"{who}, in the {what}" for what in ("label", "prediction") for who in _WHO),
        ],
        [
            [
                name,
                *(
                    percent(v)
                    for v in (
                        c.members,
                        c.nonmembers,
                        c.members_predicted,
                        c.nonmembers_predicted,
                    )
                ),
            ]
            for name, c in found.items()
        ],
    )


def _transferred(attacks: Attacks) -> Table:
    """A row an attack and a false positive rate."""
    rows, priors = [], []
    for name, attack in attacks.items():
        for alpha, own in attack.transferred.items():
            priors = list(own.ppv)
            shown = [f"{100 * float(alpha):g} %", percent(own.tpr), percent(own.fpr, 3)]
            rows.append([name, *shown, *map(_with_ends, own.ppv.values())])
    return Table(
        "At the median of the other models' thresholds, in percent",
        ["attack", "FPR asked for", "TPR", "FPR", *(f"PPV at prior {p}" for p in priors)],
        rows,
        "PPV: the probability that an accused is a member, where the prior share of the examples "
        "are (PoPETs 2026).",
    )


def _columns(
    attacks: Attacks,
    part: Callable[[AttackResults], Any],
    columns: Sequence[tuple[str, Callable[[Any], str]]],
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of one part of what is known of each attack."""
    found = {name: part(attack) for name, attack in attacks.items()}
    return ["attack", *(heading for heading, _ in columns)], [
        [name, *(show(own) for _, show in columns)]
        for name, own in found.items()
        if own is not None
    ]


def _with_ends(found: Estimate) -> str:
    """Percent with its interval."""
    if not found.is_known:
        return "-"
    return f"{percent(found)} [{percent(found.low)}, {percent(found.high)}]"


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _both_scores(rate: FalsePositiveRate | None) -> str:
    return f"{_score(rate.score_of_positives)} / {_score(rate.score_of_negatives)}" if rate else "-"
