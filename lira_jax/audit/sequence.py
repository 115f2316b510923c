"""The sequence of an audit of arrays: attacks, the models, exposure, probes, variants of LiRA."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lira_jax import progress
from lira_jax.attacks.kinds import Attack
from lira_jax.attacks.selection import table_of
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import missing
from lira_jax.attacks.shared.targets import Outside
from lira_jax.audit.ablation import ablation
from lira_jax.audit.attacks import CannotBeMade, run_attacks
from lira_jax.audit.calibrated import calibrated
from lira_jax.audit.epochs import over_epochs, traces
from lira_jax.audit.model_facts import model_facts
from lira_jax.audit.number_of_queries import check_query_counts, number_of_queries
from lira_jax.audit.number_of_shadows import check_counts, number_of_shadows, why_none
from lira_jax.audit.probes import on_nonmembers, on_probes
from lira_jax.audit.results import ProbeResults, Results
from lira_jax.audit.shadow_targets import shadow_targets
from lira_jax.audit.statistic_choices import statistic_choices
from lira_jax.errors import UserError
from lira_jax.evaluation import exposure
from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.epsilon import CONFIDENCE, DELTA, Setting
from lira_jax.evaluation.finite_pool import spread_factor
from lira_jax.evaluation.transfer import PRIORS
from lira_jax.runs import layout
from lira_jax.runs.evidence import Loaded

EPOCHS_ATTACK = "lira_online"
"""What is attacked with over epochs, unless another attack is named beforehand."""

RISK_ATTACK = "privacy_risk"
"""Whose scores are looked at further, beside its ROC."""

NONMEMBERS = "(non-members)"
"""What the pool's own non-members are called among the sets of probes."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What an audit is asked for.

    Attributes:
      attacks: names of the attacks.
      compat: one of COMPATIBLE: another tool's definitions.
      skip_failures: pass over attacks that the evidence does not suffice for, with a note.
      ablation: also what each component of LiRA adds.
      num_shadows: also LiRA with so many random shadows.
      num_queries: also LiRA with so many of the queries.
      statistics: also LiRA on other statistics than phi.
      probes: also these sets of probes, as --probes names them; None for those of the run.
      fdr: also accuse as many as this bound on the share of false accusations allows; None does
        not.
      priors: shares of the examples that are members, for the value of an accusation.
      delta: of the bound on epsilon of (epsilon, delta)-differential privacy, in [0, 1).
      confidence: probability that this bound is below the true epsilon, in (0, 1).
      epochs: also one attack on the models as they were after these epochs.
      epochs_attack: this one.
    """

    attacks: Sequence[str]
    compat: str = ""
    skip_failures: bool = True
    ablation: bool = False
    num_shadows: Sequence[int] = ()
    num_queries: Sequence[int] = ()
    statistics: bool = False
    probes: str | None = None
    fdr: float | None = None
    priors: Sequence[float] = PRIORS
    delta: float = DELTA
    confidence: float = CONFIDENCE
    epochs: Sequence[int] = ()
    epochs_attack: str = EPOCHS_ATTACK

    def __post_init__(self) -> None:
        self.bound()
        for flag, value in (("fdr", self.fdr), *(("prior", p) for p in self.priors)):
            if value is not None and not 0 < value < 1:
                raise UserError(f"--{flag}={value:g}: give a number between 0 and 1, such as 0.1")

    def bound(self, coin: float | None = None) -> Setting:
        """Which bound on epsilon, where membership was drawn by coin flips of this probability.

        Raises:
          UserError: delta or confidence is out of its range.
        """
        return Setting(self.delta, self.confidence, coin)


def audit_evidence(
    evidence: Evidence,
    request: Request,
    start: Results,
    *,
    save: Callable[[str, np.ndarray], None] = lambda name, array: None,
    write: Callable[[Results], None] = lambda results: None,
    sources: tuple[np.ndarray, Sequence[str]] | None = None,
    probe_sets: Mapping[str, Callable[[], Evidence]] | None = None,
    coin: float | None = None,
    after: Callable[[int], Loaded] | None = None,
    logged: Mapping[tuple[int, int], Mapping[str, Any]] | None = None,
) -> Results:
    """Makes an audit of arrays, part by part; whatever fails, the parts before it are written.

    A part that this evidence does not suffice for is left out, with a note.

    Args:
      evidence: what the attacks may look at.
      request: what is asked for.
      start: what is known beforehand: which models, which targets, which definitions.
      save: called with the name of a dump in the run directory and its array, such as
        attacks/NAME.npy, float64 [targets, examples], as soon as it is made.
      write: called with all that is known, each time that a part is added.
      sources: int [examples], where each example comes from, and the names of the sources.
      probe_sets: name -> reads what the same models, with the same targets, say of these probes.
      coin: probability with which each example was made a member of a target, independently; None
        if it is unknown, or membership was drawn otherwise.
      after: epoch -> what is attacked of the models as they were after it, where that is saved.
      logged: (model, epoch) -> a line of metrics.jsonl of the targets.

    Returns:
      The results; as `start` where the membership of the targets is unknown, or all are members or
      none is.

    Raises:
      UserError: a value of a flag makes no sense here, or no attack can be made; or, at the end,
        an attack that was asked for by name cannot be made.
    """
    check_shadows(evidence)
    counts = request.num_shadows
    if counts and (why := why_none(evidence)):
        progress.note(f"left out --num_shadows: {why}")
        counts = ()
    check_counts(evidence, counts)
    queries = request.num_queries
    if queries and not readable("--num_queries", "phi", evidence):
        queries = ()
    check_query_counts(evidence, queries)
    table = table_of(request.attacks, request.compat)
    shadows = shadow_targets(evidence)
    refused, risk_scores = None, None

    def keep_scores(name: str, scores: np.ndarray) -> None:
        nonlocal risk_scores
        save(layout.attack(name), scores)
        if name == RISK_ATTACK:
            risk_scores = scores

    try:
        attacks = run_attacks(
            evidence,
            table,
            request.attacks,
            keep_scores,
            skip_failures=request.skip_failures,
            priors=request.priors,
            shadows=shadows,
            bound=request.bound(coin),
        )
    except CannotBeMade as error:
        attacks, refused = error.others, error
    exposed = _exposure(evidence)
    if exposed is not None:
        save(layout.EXPOSURE, exposed)
    results = start

    def add(**parts) -> None:
        nonlocal results
        results = dataclasses.replace(results, **parts)
        write(results)

    if attacks:
        add(
            attacks=attacks,
            calibrated=calibrated(evidence, [table[name] for name in attacks], request.fdr),
            pool_spread_factor=spread_factor(evidence.keep),
        )
        add(**model_facts(evidence, shadows, risk_scores))
        if sources is not None and exposed is not None:
            with _left_out("exposure by source"):
                add(exposure_by_source=exposure.by_source(exposed, *sources))
        if probe_sets:
            add(probes=_on_all_probes(probe_sets, evidence, table, attacks))
        if request.ablation and readable("--ablation", "phi", evidence):
            with _left_out("--ablation"):
                add(ablation=ablation(evidence))
        if counts and readable("--num_shadows", "phi", evidence):
            with _left_out("--num_shadows"):
                add(num_shadows=number_of_shadows(evidence, counts, table))
        if queries:
            with _left_out("--num_queries"):
                add(num_queries=number_of_queries(evidence, queries, table))
        if request.statistics:
            with _left_out("--statistics"):
                add(statistics=statistic_choices(evidence, table))
        if request.epochs and after is not None:
            name, chosen = request.epochs_attack, request.epochs
            with _left_out("--at_epochs"):
                of_one = table_of([name], request.compat)
                add(epochs=over_epochs(after, chosen, name, of_one, logged or {}))
                measured, moved = traces(after, chosen)
                if moved is not None:
                    save(layout.LT_IQR, moved)
                add(loss_traces=measured)
    if refused:
        raise refused
    return results


def check_shadows(evidence: Evidence) -> None:
    """Checks that the models can be shadows of one another.

    Raises:
      UserError: they all have one training set. Each example is then in all of them or in none, and
        what is learned from the others would be the target's own membership.
    """
    keep = evidence.keep
    apart = isinstance(evidence.targets, Outside) or evidence.attack_training is not None
    if not apart and (keep == keep[0]).all():
        raise UserError(
            "--protocol=shadows: every model has the same training set, as with --masks=official, "
            "so none is a shadow model in or out of another's; give --protocol=known"
        )


@contextlib.contextmanager
def _left_out(part: str) -> Iterator[None]:
    """A block that makes an optional part; a note says why it is left out if it cannot be made."""
    try:
        yield
    except UserError as error:
        progress.note(f"left out {part}: {error}")


def _on_all_probes(
    probe_sets: Mapping[str, Callable[[], Evidence]],
    evidence: Evidence,
    table: dict[str, Attack],
    attacks: dict[str, AttackResults],
) -> dict[str, ProbeResults]:
    """What attacks say of the sets of probes that can be read, the pool's non-members first."""
    found = {}
    for name in progress.each("probes", list(probe_sets), "sets"):
        with _left_out(f"the probes {name}"):
            found[name] = on_probes(probe_sets[name](), evidence, table, attacks)
    return {NONMEMBERS: on_nonmembers(evidence, attacks), **found} if found else {}


def _exposure(evidence: Evidence) -> np.ndarray | None:
    """Exposure of every example that has enough models in and out; None if none has."""
    if not readable(layout.EXPOSURE, "phi", evidence):
        return None
    try:
        exposed = exposure.exposure(evidence.signals["phi"], evidence.keep)
    except UserError as error:
        progress.note(f"left out {layout.EXPOSURE}: {error}")
        return None
    number = np.count_nonzero(np.isnan(exposed))
    if number:
        progress.note(
            f"exposure.npy: {number} of {len(exposed)} examples have fewer than 2 models in or "
            "out; they have none"
        )
    return exposed


def readable(part: str, signal: str, evidence: Evidence) -> bool:
    """Whether there is the signal that a part of the audit is about; a note says so if not."""
    if signal in evidence.signals:
        return True
    progress.note(f"left out {part}: {missing(signal, evidence.signals.saved)}")
    return False
