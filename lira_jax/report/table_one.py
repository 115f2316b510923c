"""The attacks of the literature beside what each makes use of: Carlini et al. 2022, table I."""

import dataclasses

from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.results import Results
from lira_jax.report.details import Table, percent
from lira_jax.report.wording import PERCENT

USES = ("shadow models", "several queries", "class hardness", "example hardness")


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
      paper: whose attack it is.
      attack: its name here.
      uses: those of USES that it can make use of.
    """

    paper: str
    attack: str
    uses: tuple[str, ...] = ()


_SHADOWS, _, _CLASS, _EXAMPLE = USES
LINES = (
    Line("Yeom et al. 2018", "loss"),
    Line("Shokri et al. 2017", "shokri", (_SHADOWS, _CLASS)),
    Line("Song and Mittal 2021", "class_modified_entropy", (_SHADOWS, _CLASS)),
    Line("Sablayrolles et al. 2019", "sablayrolles_loss", (_SHADOWS, _CLASS, _EXAMPLE)),
    Line("Long et al. 2018", "long_fraction", (_SHADOWS, _CLASS, _EXAMPLE)),
    Line("Watson et al. 2022", "watson_loss", (_SHADOWS, _CLASS, _EXAMPLE)),
    Line("Ye et al. 2022", "attack_r", (_SHADOWS, _CLASS, _EXAMPLE)),
    Line("Carlini et al. 2022", "lira_online", USES),
)
"""In the paper's order; Jayaraman et al. 2021, which queries noisy copies, is not made here."""

_METRICS = {
    "tpr_at_1e-5": f"TPR at 0.001{PERCENT} FPR",
    "tpr_at_1e-3": f"TPR at 0.1{PERCENT} FPR",
    "balanced_accuracy": "balanced accuracy",
}


def table_one(results: Results) -> list[Table]:
    """The table with the attacks of it that were made; none unless there are two to compare."""
    made = [line for line in LINES if line.attack in results.attacks]
    if len(made) < 2:
        return []
    rows = []
    for line in made:
        found = results.attacks[line.attack].metrics
        uses = ["yes" if use in line.uses else "no" for use in USES]
        rows.append(
            [f"{line.paper} ({line.attack})", *uses, *(percent(found[m]) for m in _METRICS)]
        )
    absent = [line.attack for line in LINES if line.attack in ATTACKS and line not in made]
    return [
        Table(
            "The attacks of the literature and what they make use of, in percent",
            ["attack", *USES, *(name.replace(PERCENT, " %") for name in _METRICS.values())],
            rows,
            "Carlini et al. 2022, table I. An attack that only tells ranks among the shadow models "
            "(Ye et al.) resolves no lower rate than one in their number."
            + (f" Not made here: {', '.join(absent)}." if absent else ""),
        )
    ]
