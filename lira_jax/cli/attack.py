"""lira-attack: runs the attacks on the saved scores and evaluates them."""

import dataclasses
import os
from typing import Any

import numpy as np

from lira_jax import progress
from lira_jax.attacks import options
from lira_jax.attacks.known_classifiers import CLASSIFIERS, SAMPLINGS
from lira_jax.attacks.papers import PAPERS
from lira_jax.attacks.selection import named
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit import known_membership
from lira_jax.audit.number_of_queries import check_query_counts, nested, num_saved
from lira_jax.audit.results import Results
from lira_jax.audit.run import EPOCHS_ATTACK, Request, audit_run
from lira_jax.cli import flags
from lira_jax.errors import UserError, bad_choice
from lira_jax.evaluation.epsilon import CONFIDENCE, DELTA
from lira_jax.evaluation.transfer import PRIORS
from lira_jax.experiment import scored_epochs
from lira_jax.interop import evidence as evidence_lib
from lira_jax.interop import release
from lira_jax.interop.queries import ORDERS, check_order
from lira_jax.interop.read import recognise
from lira_jax.report import terminal
from lira_jax.report.known_membership import tables as tables_of_known
from lira_jax.runs import data as run_data
from lira_jax.runs import result_set
from lira_jax.runs.directory import (
    EPOCHS_TABLE,
    EXPOSURE,
    KNOWN_TABLE,
    RESULTS,
    RESULTS_TABLE,
    VARIANTS_TABLE,
    RunDirectory,
)
from lira_jax.runs.evidence import Loaded

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
flags.DEFINE_path(
    "targets",
    "all",
    "What is attacked: all (every model, the others being its shadows; of disjoint masks the "
    "first half, by the second), models such as 0,3, or a file with the logits of a model trained "
    "elsewhere: .npy [N, K] or [N, A, K], or .npz or a folder with logits and keep, or another "
    "tool's run directory or model folder. A file needs --out.",
)
flags.DEFINE_string(
    "targets_queries",
    "ours",
    f"Order of the queries in such a file, one of {', '.join(ORDERS)}; ours is [x, mirrored x], of "
    "each the plain crop first, then the shifts (dy, dx) row by row.",
)
flags.DEFINE_path(
    "shadows",
    "",
    "Run directory whose models are the shadows of --workdir's instead: another recipe, trained "
    "on the same data and masks (LiRA VI-E); its model with the target's own number is left out. "
    "Needs --out.",
)
flags.DEFINE_string(
    "shadows_defence",
    "same",
    "With --release, what the shadow models release: same (an attacker who knows the defence), or "
    "none (one who does not).",
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
flags.DEFINE_integer(
    "use_queries",
    0,
    "Attack with so many of the saved queries alone, counted as --num_queries counts them, as an "
    "attacker does who takes the targets' augmentation for another one (LiRA VI-E); 0 for all.",
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
flags.DEFINE_string(
    "stop_at",
    "",
    "Attack the models as they were after an epoch that is scored (lira-train --score_epochs): its "
    "number; best_test_loss, of each model the epoch with the least loss on the test set; or "
    "accuracy:0.76, the one whose accuracy on the test set is nearest. Empty for the end.",
)
flags.DEFINE_string(
    "protocol",
    "shadows",
    "shadows: attacks learn from shadow models. known: the attacker knows the membership of most "
    "of the target's own examples, and has no shadow models (Rezaei and Liu 2021); prints tables "
    "and writes known.csv, and no other flag but those of known, --targets, --release and --out "
    "counts.",
)
flags.DEFINE_float(
    "known",
    0.8,
    "With --protocol=known, the share of the members and of the non-members of each class that the "
    "attacker knows, the first in the order of the data.",
)
flags.DEFINE_list(
    "known_ways",
    ["all"],
    "With --protocol=known, what the attacker looks at; all is what is saved. "
    + " ".join(
        f"{name}: {way.summary}, of the signal {way.signal} (table {way.table})."
        for name, way in known_membership.WAYS.items()
    ),
)
flags.DEFINE_list(
    "known_classifiers",
    ["network"],
    "With --protocol=known, what learns from confidences and layers, of several the best on "
    f"validation data: {', '.join(CLASSIFIERS)}. Distances and gradients have logistic regression.",
)
flags.DEFINE_list(
    "known_sampling",
    ["none"],
    "With --protocol=known, how uneven members and non-members are made even, of several the best "
    f"on validation data: {', '.join(SAMPLINGS)}.",
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
    "compat",
    *("use_queries", "ablation", "num_shadows", "num_queries", "statistics"),
    *("at_epochs", "at_epochs_attack", "stop_at"),
    *("protocol", "known", "known_ways", "known_classifiers", "known_sampling"),
    *("probes", "fdr", "delta", "confidence", "prior", "details"),
]
FEW_SHADOWS = 64


def main() -> None:
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
    if protocol not in ("shadows", "known"):
        raise bad_choice("--protocol", protocol, ("shadows", "known"))
    if protocol == "known":
        _known_membership()
        return
    (attack,) = named(flags.FLAGS.at_epochs_attack, compat)[:1]
    source, out = read_evidence()
    run, shadow_run, loaded = source.run, source.shadow_run, source.loaded
    if "token_losses" in loaded.evidence.signals.saved:
        of_text = named(flags.FLAGS.attacks, compat, of_text=True)
        request = dataclasses.replace(request, attacks=of_text)
    if number := flags.FLAGS.use_queries:
        check_query_counts(loaded.evidence, [number], "use_queries")
        loaded = loaded.asking(nested(num_saved(loaded.evidence))[number])
    if run is not None:
        flags.open_with(run_data.line(run))
    if loaded.epochs and loaded.stop_at:
        first, last = min(loaded.epochs), max(loaded.epochs)
        which = f"epoch {first}" if first == last else f"epochs {first} to {last}"
        progress.note(f"the targets are as they were after {which}, shadow models by the same rule")
    shadows = loaded.evidence.num_shadows
    if shadows == 1:
        progress.note(
            "note: with 1 shadow model nothing is known of the variance of single examples; "
            "attacks that need it are left out"
        )
    elif shadows < FEW_SHADOWS - 1:
        progress.note(
            f"note: with {shadows} shadow models the variance of single examples is uncertain; "
            "below 64 lira_moderated or the attacks with a fixed variance are advised"
        )
    if released := flags.FLAGS.release:
        by = "do not" if flags.FLAGS.shadows_defence == "none" else "release the same"
        progress.note(f"the targets release {released}, the shadow models {by}")
    if run is not None and shadow_run is not None:
        progress.note(
            f"the targets are the models of {run.path}, their shadow models those of "
            f"{shadow_run.path}"
        )
    printed = set()

    def show(results: Results) -> None:
        if not results.attacks:
            return
        for title, text in terminal.parts(results, flags.FLAGS.details).items():
            if title not in printed:
                print(f"\n{title}\n{text}" if title else text)
                printed.add(title)

    if (asked := flags.FLAGS.at_epochs) and run is not None:
        epochs = scored(run, asked)
        request = dataclasses.replace(request, epochs=epochs, epochs_attack=attack)
    results = audit_run(
        loaded, request, out, run=run, shadow_run=shadow_run, known=show, after=after
    )
    if not results.attacks:
        progress.note(
            f"{_not_evaluated(loaded.evidence.members)}: scores are in {out.path / 'attacks'}, "
            "without an evaluation"
        )


def _known_membership() -> None:
    """Attacks as one who knows most members (Rezaei and Liu 2021)."""
    share = flags.FLAGS.known
    if not 0 < share < 1:
        raise UserError(f"--known={share:g}: give a fraction between 0 and 1, such as 0.8")
    source, out = read_evidence()
    evidence, run = source.loaded.evidence, source.run
    asked = known_membership.ways(flags.FLAGS.known_ways, evidence.signals.saved)
    classifiers, sampling = flags.FLAGS.known_classifiers, flags.FLAGS.known_sampling
    fit = known_membership.learner(classifiers, sampling, seed=0)
    if run is not None:
        flags.open_with(run_data.line(run))
    found, confidences = known_membership.run(evidence, asked, fit, share)
    for table in tables_of_known(found, confidences, share):
        print(f"\n{table.title}\n{terminal.of_table(table)}")
    out.write_text(KNOWN_TABLE, known_membership.to_csv(found))


def after(epoch: int) -> Loaded:
    """What is attacked of the models as they were after an epoch."""
    asked, shadows = flags.FLAGS.targets, flags.FLAGS.shadows
    stopped: dict[str, Any] = {"stop_at": str(epoch), "quiet": True}
    loaded = evidence_lib.read_own(flags.open_runs(), asked, shadows, **stopped).loaded
    if number := flags.FLAGS.use_queries:
        loaded = loaded.asking(nested(num_saved(loaded.evidence))[number])
    return loaded


def scored(run: RunDirectory, asked: str) -> tuple[int, ...]:
    """The epochs that --at_epochs names.

    Raises:
      UserError: one is not scored.
    """
    known = scored_epochs(run.read_experiment())
    if not known:
        raise UserError(
            f"--at_epochs={asked}: the run in {run.path} is scored after its last epoch alone; "
            "train with --score_epochs"
        )
    if asked == "all":
        return known
    for word in asked.split(","):
        if word.strip() not in map(str, known):
            raise bad_choice("--at_epochs", word.strip(), ["all", *known])
    return tuple(sorted({int(word) for word in asked.split(",")}))


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


def read_evidence() -> tuple[evidence_lib.Source, RunDirectory]:
    """Reads what the flags name; where results go comes second."""
    workdir, out = flags.FLAGS.workdir, flags.FLAGS.out
    asked, shadows = flags.FLAGS.targets, flags.FLAGS.shadows
    order = check_order("--targets_queries", flags.FLAGS.targets_queries)
    released, naive = _release()
    foreign = recognise(workdir)
    why = ""
    if foreign:
        why = f"{workdir} is another tool's run directory"
    elif shadows:
        why = "--shadows is given"
    elif evidence_lib.names_a_file(asked):
        why = f"--targets={asked} is no model of the run"
    if os.path.isfile(out):
        raise UserError(f"--out={out}: it is a file; give a directory")
    if released and foreign:
        raise UserError(f"--release={released}: {why}; it is for a run of lira_jax")
    if why and not out:
        raise UserError(f"--out=: {why}; name a directory for the results")
    if why and RunDirectory(out).has_experiment():
        raise UserError(
            f"--out={out}: {why}, and in that directory are the results of a run's own models; "
            "name another"
        )
    if out and not RunDirectory(out).has_experiment():
        check_out(RunDirectory(out))
    if foreign:
        source = evidence_lib.read_foreign(workdir, asked, shadows, order)
    else:
        runs, stop_at = flags.open_runs(), flags.FLAGS.stop_at
        source = evidence_lib.read_own(
            runs, asked, shadows, order, stop_at=stop_at, released=released, naive=naive
        )
        if released and not out:
            folder = release.check(runs[0][0], released).folder
            return source, runs[0][0].on_release(folder, naive)
    return source, RunDirectory(out or workdir)


def _release() -> tuple[str, bool]:
    """What the targets release, and whether the shadow models do not.

    Raises:
      UserError: a value of --shadows_defence that does not fit.
    """
    released, shadows = flags.FLAGS.release, flags.FLAGS.shadows_defence
    if shadows not in ("same", "none"):
        raise bad_choice("--shadows_defence", shadows, ("same", "none"))
    if shadows == "none" and not released:
        raise UserError("--shadows_defence=none: it is about --release; name one")
    if released and (flags.FLAGS.at_epochs or flags.FLAGS.out == flags.FLAGS.workdir):
        raise UserError(
            f"--release={released}: not with --at_epochs or the run's own results as --out"
        )
    return released, shadows == "none"


def check_out(out: RunDirectory) -> None:
    """Checks that lira-attack overwrites nothing in a folder but its own results.

    Raises:
      UserError: naming the file in its way.
    """
    found = [
        name
        for name in (RESULTS, RESULTS_TABLE, VARIANTS_TABLE, EPOCHS_TABLE, EXPOSURE)
        if (out.path / name).exists()
    ]
    found += ["attacks"] if any(out.path.glob("attacks/*")) else []
    if found and not result_set.scores(out):
        raise UserError(
            f"--out={out.path}: {found[0]} in it is not from lira-attack, which would overwrite "
            "it; name another directory"
        )


def cli() -> None:
    flags.run("lira-attack", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
