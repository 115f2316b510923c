"""lira-attack: runs the attacks on the saved scores and evaluates them."""

import dataclasses
import functools
import shlex
from collections.abc import Iterator

import numpy as np

from lira_jax import progress
from lira_jax.attacks import options
from lira_jax.attacks.papers import PAPERS
from lira_jax.attacks.selection import named
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.number_of_queries import check_query_counts, nested, num_saved
from lira_jax.audit.results import Results
from lira_jax.audit.run import audit_run
from lira_jax.audit.sequence import EPOCHS_ATTACK, Request
from lira_jax.cli import attack_known, attack_source, flags
from lira_jax.errors import UserError, bad_choice
from lira_jax.evaluation.epsilon import CONFIDENCE, DELTA
from lira_jax.evaluation.transfer import PRIORS
from lira_jax.interop.evidence import Source
from lira_jax.report import terminal
from lira_jax.report.attackers import adaptive_and_naive
from lira_jax.runs import data as run_data

flags.DEFINE_string(
    "attacks",
    "fast",
    "Attacks to run, comma separated; all; or fast, which leaves out those that train something "
    "for every target. ATTACK@SIGNAL is an attack on another scalar signal, such as "
    "lira_online@hinge; these take any: "
    + ", ".join(dict.fromkeys(a.on_signal for a in ATTACKS.values() if a.on_signal))
    + ". ATTACK+option=value+option=value is an attack with options, such as "
    "rmia_online+gamma=1+combine=vote. "
    + options.help_text(ATTACKS)
    + " "
    + " ".join(f"{n}: {a.summary} ({a.source})." for n, a in ATTACKS.items())
    + " Where these are: "
    + "; ".join(f"{name}: {paper.link}" for name, paper in PAPERS.items())
    + ".",
)
flags.DEFINE_string(
    "compat",
    "",
    "tf_privacy: compute LiRA as tensorflow/privacy's mi_lira_2021 does. rmia: compute RMIA as its "
    "authors' code does, which reads the target's membership (docs/attacks.md).",
)
flags.DEFINE_bool("ablation", False, "Also what each component of LiRA adds (LiRA table II).")
flags.DEFINE_list(
    "num_shadows",
    [],
    "Also LiRA with so many random shadows, such as 4,8,16 (LiRA figures 9 and 17).",
)
flags.DEFINE_list(
    "num_queries",
    [],
    "Also LiRA with so many of the saved queries, such as 1,2,18 (LiRA table III): the plain "
    "image; it and its mirror image; both shifted by up to 1, 2, ... pixels each way.",
)
flags.DEFINE_bool(
    "statistics",
    False,
    "Also LiRA on the confidence, its logarithm, the logit by a float32 softmax, phi and hinge of "
    "the plain query (LiRA figure 8).",
)
flags.DEFINE_string(
    "at_epochs",
    "",
    "Also one attack on the models as they were after these scored epochs (lira-train "
    "--score_epochs): numbers, comma separated, or all (Rezaei and Liu 2021, section 7.1).",
)
flags.DEFINE_string(
    "at_epochs_attack",
    EPOCHS_ATTACK,
    "The attack of --at_epochs, one for all epochs and chosen before any is seen.",
)
flags.DEFINE_float(
    "fdr",
    None,
    "Also accuse as many, by the p-values of single examples, as this bound on the expected share "
    "of false accusations of a target allows, such as 0.1 (Benjamini and Hochberg 1995). Where the "
    "targets' membership is unknown, accusations.csv says who is accused.",
)
flags.DEFINE_float(
    "delta",
    DELTA,
    "Of the (epsilon, delta)-differential privacy whose epsilon is bounded from below: a "
    "probability, 0 for pure differential privacy.",
)
flags.DEFINE_float(
    "confidence",
    CONFIDENCE,
    "Probability that the bound on epsilon is below the true one, such as 0.95.",
)
flags.DEFINE_list(
    "prior",
    [],
    "Further shares of the examples that are members, such as 0.001: what an accusation is worth "
    f"there (beside {', '.join(map(str, PRIORS))}).",
)
flags.DEFINE_bool(
    "verbose",
    False,
    "Print all attacks and columns, and tests of single examples, not a dozen attacks in 100 "
    "columns.",
)
flags.DEFINE_bool(
    "details",
    False,
    "Print also decisions at 5:1, 1:1 and 1:5 members to non-members, whose false alarms there "
    "are, thresholds of other models, and agreement; results.json has them in any case.",
)

SUMMARY = (
    "attacks every target with all other models as its shadows, on the scores that lira-score has "
    "saved, prints a table and writes attacks/*.npy, results.csv and results.json. In a run with "
    "targets of another recipe (lira-train --target_flagfile) these are the targets. It "
    "also reads the run directories of tensorflow/privacy (mi_lira_2021), lira-pytorch and "
    "lira_analysis; then give --out."
)
SHOWN = [
    *("attacks", "targets", "targets_queries", "shadows", "release", "shadows_defence", "out"),
    *("examples", "shadow_examples", "compat"),
    *("use_queries", "ablation", "num_shadows", "num_queries", "statistics"),
    *("at_epochs", "at_epochs_attack", "stop_at"),
    *("protocol", "known", "known_ways", "known_classifiers", "known_sampling", "known_tries"),
    *("known_trees", "known_fewest", "known_most", "tables"),
    *("probes", "fdr", "delta", "confidence", "prior", "verbose", "details"),
]
FEW_SHADOWS = 64


def main() -> None:
    run()


def run(*, last: bool = True) -> None:
    """Attacks as flags say; `last` is whether no other stage follows, which would be the next."""
    compat = flags.FLAGS.compat
    names = named(flags.FLAGS.attacks, compat)
    try:
        priors = sorted({*PRIORS, *map(float, flags.FLAGS.prior)})
    except ValueError:
        raise UserError(
            f"--prior={','.join(flags.FLAGS.prior)}: give numbers between 0 and 1, comma separated"
        ) from None
    request = Request(
        names,
        compat,
        skip_failures=flags.FLAGS.attacks in ("all", "fast"),
        ablation=flags.FLAGS.ablation,
        num_shadows=_counts("num_shadows"),
        num_queries=_counts("num_queries"),
        statistics=flags.FLAGS.statistics,
        probes=flags.FLAGS.probes if flags.FLAGS["probes"].present else None,
        fdr=flags.FLAGS.fdr,
        priors=priors,
        delta=flags.FLAGS.delta,
        confidence=flags.FLAGS.confidence,
    )
    protocol = flags.FLAGS.protocol
    if protocol not in attack_known.PROTOCOLS:
        raise bad_choice("--protocol", protocol, attack_known.PROTOCOLS)
    asked = attack_source.attackers()
    if protocol != "shadows":
        (attack_known.main if protocol == "known" else attack_known.half)()
        return
    (attack,) = named(flags.FLAGS.at_epochs_attack, compat)[:1]
    found = [_attack(request, attack, attacker, last) for attacker in asked]
    if len(found) == 2 and all(results.attacks for results in found):
        table = adaptive_and_naive(*found)
        print(f"\n{table.title}\n{terminal.of_table(table)}")


def _attack(
    request: Request, epochs_attack: str, attacker: attack_source.Attacker, last: bool
) -> Results:
    """All attacks by one attacker."""
    source, out = attack_source.read_evidence(attacker)
    run, shadow_run, loaded = source.run, source.shadow_run, source.loaded
    if loaded.evidence.signals.of_text:
        of_text = named(flags.FLAGS.attacks, request.compat, of_text=True)
        request = dataclasses.replace(request, attacks=of_text)
    if number := flags.FLAGS.use_queries:
        check_query_counts(loaded.evidence, [number], "use_queries")
        loaded = loaded.asking(nested(num_saved(loaded.evidence))[number])
    if run is not None:
        flags.open_with(run_data.line(run))
    for line in _notes(source):
        progress.note(line)
    printed, by_name = set(), flags.FLAGS.attacks not in ("all", "fast")

    def show(results: Results) -> None:
        if not results.attacks:
            return
        everything = flags.FLAGS.verbose
        rows = list(results.attacks) if by_name else terminal.in_short(results)
        text_of = terminal.parts(results, flags.FLAGS.details, None if everything else rows)
        for title, text in text_of.items():
            if title not in printed:
                print(f"\n{title}\n{text}" if title else text)
                printed.add(title)

    if (asked := flags.FLAGS.at_epochs) and run is not None:
        epochs = attack_source.scored(run, asked)
        request = dataclasses.replace(request, epochs=epochs, epochs_attack=epochs_attack)
    results = audit_run(
        loaded,
        request,
        out,
        run=run,
        shadow_run=shadow_run,
        known=show,
        after=functools.partial(attack_source.after, attacker),
    )
    if not results.attacks:
        progress.note(
            f"{_not_evaluated(loaded.evidence.members)}: scores are in {out.path / 'attacks'}, "
            "without an evaluation"
        )
    elif last:
        print(f"Next: lira-report --workdir={shlex.quote(str(out.path))} writes the page.")
    return results


def _notes(source: Source) -> Iterator[str]:
    """What is said beforehand of who is attacked with what."""
    loaded = source.loaded
    if loaded.epochs and loaded.stop_at:
        first, last = min(loaded.epochs), max(loaded.epochs)
        which = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        yield f"the targets are as they were after {which}, shadow models by the same rule"
    shadows = loaded.evidence.num_shadows
    if shadows == 1:
        yield (
            "note: with 1 shadow model nothing is known of the variance of single examples; "
            "attacks that need it are left out"
        )
    elif shadows < FEW_SHADOWS - 1:
        yield (
            f"note: with {shadows} shadow models the variance of single examples is uncertain; "
            "below 64 lira_moderated or the attacks with a fixed variance are advised"
        )
    if loaded.release:
        by = "do not" if loaded.naive else "release the same"
        yield f"the targets release {flags.FLAGS.release}, the shadow models {by}"
    if loaded.examples is not None and flags.FLAGS.examples:
        yield f"{loaded.examples.sum()} of {len(loaded.examples)} examples are attacked"
    if source.run is not None and source.shadow_run is not None:
        yield (
            f"the targets are the models of {source.run.path}, their shadow models those of "
            f"{source.shadow_run.path}"
        )


def _counts(flag: str) -> list[int]:
    """The whole numbers of a flag, ascending."""
    given = flags.FLAGS[flag].value or []
    try:
        return sorted({int(n) for n in given})
    except ValueError:
        raise UserError(
            f"--{flag}={','.join(given)}: give whole numbers, comma separated"
        ) from None


def _not_evaluated(members: np.ndarray | None) -> str:
    """Why no attack was evaluated."""
    if members is None:
        return "the targets' membership is unknown"
    if members.all():
        return "the targets trained on all examples, and a ROC needs non-members"
    if not members.any():
        return "the targets trained on none of the examples, and a ROC needs members"
    return "no attack could be made"


def cli() -> None:
    flags.run("lira-attack", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
