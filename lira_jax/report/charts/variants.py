"""ROC of variants of LiRA: with fewer shadow models, with fewer queries, on other statistics."""

from collections.abc import Iterable, Mapping, Sequence

from lira_jax.audit.results import QueryRow, ShadowRow, StatisticRow
from lira_jax.evaluation.summary import CurveRow
from lira_jax.report.charts.chart import DASHES
from lira_jax.report.colours import COLOURS


def by_shadows(rows: Sequence[ShadowRow]) -> dict[str, CurveRow]:
    """Name -> row, of those that have a ROC (LiRA figure 17)."""
    return _drawn((f"{r.attack}, {r.num_shadows} shadow models", r) for r in rows)


def by_queries(rows: Sequence[QueryRow]) -> dict[str, CurveRow]:
    """The same of numbers of queries."""
    return _drawn(
        (f"{r.attack}, {r.num_queries} quer{'ies' if r.num_queries > 1 else 'y'}", r) for r in rows
    )


def by_statistic(rows: Sequence[StatisticRow]) -> dict[str, CurveRow]:
    """The same of statistics (LiRA figure 8)."""
    return _drawn((f"{r.attack}, {r.statistic}", r) for r in rows)


def _drawn(named: Iterable[tuple[str, CurveRow]]) -> dict[str, CurveRow]:
    """Those that have a ROC, attack by attack."""
    known = [(name, row) for name, row in named if row.roc]
    attacks = list(dict.fromkeys(row.attack for _, row in known))
    return dict(sorted(known, key=lambda item: attacks.index(item[1].attack)))


def first(curves: Mapping[str, CurveRow]) -> list[str]:
    """Those that are drawn at first: of the first attack."""
    attack = next((row.attack for row in curves.values()), "")
    return [name for name, row in curves.items() if row.attack == attack]


def styles(curves: Mapping[str, CurveRow]) -> dict[str, dict[str, str]]:
    """A dash for each attack, and a colour for each variant of it, the same for all attacks."""
    attacks: dict[str, int] = {}
    found = {}
    for name, row in curves.items():
        variant = attacks.get(row.attack, 0)
        attacks[row.attack] = variant + 1
        found[name] = {
            "color": COLOURS[variant % len(COLOURS)],
            "dash": DASHES[list(attacks).index(row.attack) % len(DASHES)],
        }
    return found
