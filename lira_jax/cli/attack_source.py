"""What lira-attack reads, and where it may write: the flags that name both."""

import dataclasses
import os
from typing import Any

from lira_jax.audit.number_of_queries import nested, num_saved
from lira_jax.cli import flags, opening
from lira_jax.errors import UserError, bad_choice
from lira_jax.experiment import scored_epochs
from lira_jax.interop import evidence as evidence_lib
from lira_jax.interop import release
from lira_jax.interop.queries import ORDERS, check_order
from lira_jax.interop.read import recognise
from lira_jax.runs import result_set
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import Loaded
from lira_jax.runs.layout import (
    EPOCHS_TABLE,
    EXPOSURE,
    KNOWN_TABLE,
    NAIVE,
    RESULTS,
    RESULTS_TABLE,
    VARIANTS_TABLE,
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
    "With --release, what the shadow models release: same (an attacker who knows the defence), "
    "none (one who does not), or both, one after the other, in one table. Of a defence in "
    "training, both are the run's own models and those of an undefended run that --shadows names.",
)
flags.DEFINE_path(
    "examples",
    "",
    "Attack these examples of the pool alone: a .npy file with bool [examples], or their numbers. "
    "Empty for all but a defence's --reference.",
)
flags.DEFINE_path(
    "shadow_examples",
    "",
    "Attacks that learn do so from these examples: a file as --examples. With --shadows the shadow "
    "models may have trained on other examples than the targets, and these are their members and "
    "non-members (Song and Mittal 2021).",
)
flags.DEFINE_string(
    "stop_at",
    "",
    "Attack the models as they were after an epoch that is scored (lira-train --score_epochs): its "
    "number; best_test_loss, of each model the epoch with the least loss on the test set; or "
    "accuracy:0.76, the one whose accuracy on the test set is nearest. Empty for the end.",
)
flags.DEFINE_integer(
    "use_queries",
    0,
    "Attack with so many of the saved queries alone, counted as --num_queries counts them, as an "
    "attacker does who takes the targets' augmentation for another one (LiRA VI-E); 0 for all.",
)


DEFENCES = ("same", "none", "both")
"""What --shadows_defence can be."""


@dataclasses.dataclass(frozen=True)
class Attacker:
    """Who attacks.

    Attributes:
      shadows: run directory of his shadow models; empty for the targets' own run.
      naive: whether they release their logits where the targets release something else.
      out: where the results go; empty for where the targets are.
    """

    shadows: str
    naive: bool = False
    out: str = ""


def attackers() -> list[Attacker]:
    """Who attacks: one, or, with --shadows_defence=both, who knows the defence and who does not.

    Raises:
      UserError: a value of --shadows_defence that does not fit.
    """
    released, how = flags.FLAGS.release, flags.FLAGS.shadows_defence
    shadows, out = flags.FLAGS.shadows, flags.FLAGS.out
    if how not in DEFENCES:
        raise bad_choice("--shadows_defence", how, DEFENCES)
    if how == "none" and not released:
        raise UserError("--shadows_defence=none: it is about --release; name one")
    if how == "both" and not (released or shadows):
        raise UserError(
            "--shadows_defence=both: name a --release, or by --shadows a run without the defence"
        )
    if flags.FLAGS.at_epochs and evidence_lib.names_a_file(flags.FLAGS.targets):
        raise UserError(
            f"--at_epochs={flags.FLAGS.at_epochs}: a target from a file is of one epoch; name "
            "models of the run as --targets"
        )
    if released and (flags.FLAGS.at_epochs or out == flags.FLAGS.workdir):
        raise UserError(
            f"--release={released}: not with --at_epochs or the run's own results as --out"
        )
    if how != "both":
        return [Attacker(shadows, how == "none", out)]
    naive_out = os.path.join(out, NAIVE) if out else ""
    if released:
        return [Attacker(shadows, out=out), Attacker(shadows, True, naive_out)]
    own = naive_out or os.path.join(flags.FLAGS.workdir, NAIVE)
    return [Attacker("", out=out), Attacker(shadows, out=own)]


def read_evidence(attacker: Attacker) -> tuple[evidence_lib.Source, RunDirectory]:
    """Reads what the flags name; where results go comes second."""
    workdir, asked = flags.FLAGS.workdir, flags.FLAGS.targets
    shadows, out, naive = attacker.shadows, attacker.out, attacker.naive
    order = check_order("--targets_queries", flags.FLAGS.targets_queries)
    released = flags.FLAGS.release
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
    if foreign and (given := [f for f in ("examples", "shadow_examples") if flags.FLAGS[f].value]):
        flag = given[0]
        raise UserError(f"--{flag}={flags.FLAGS[flag].value}: {why}; it is for a run of lira_jax")
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
        runs, stop_at = opening.open_runs(), flags.FLAGS.stop_at
        source = evidence_lib.read_own(
            runs,
            asked,
            shadows,
            order,
            stop_at=stop_at,
            released=released,
            naive=naive,
            **_named_examples(),
        )
        if released and not out:
            folder = release.check(runs[0][0], released).folder
            return source, runs[0][0].on_release(folder, naive)
    return source, RunDirectory(out or workdir)


def _named_examples() -> dict[str, Any]:
    """Files of the examples that are attacked, and that attacks learn from."""
    return {"judged": flags.FLAGS.examples, "known": flags.FLAGS.shadow_examples}


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
        raise _in_its_way(out, found[0])


def check_known(out: RunDirectory, table: str = KNOWN_TABLE) -> None:
    """As `check_out`, of what is written of an attacker who knows members of the target."""
    if (out.path / table).exists() and not out.is_own(table):
        raise _in_its_way(out, table)


def _in_its_way(out: RunDirectory, name: str) -> UserError:
    return UserError(
        f"--out={out.path}: {name} in it is not from lira-attack, which would overwrite it; name "
        "another directory"
    )


def after(attacker: Attacker, epoch: int) -> Loaded:
    """What is attacked of the models as they were after an epoch."""
    asked, shadows = flags.FLAGS.targets, attacker.shadows
    stopped: dict[str, Any] = {"stop_at": str(epoch), "quiet": True, **_named_examples()}
    loaded = evidence_lib.read_own(opening.open_runs(), asked, shadows, **stopped).loaded
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
