"""lira-attack: runs the attacks on the saved scores and evaluates them."""

import dataclasses
import importlib.util
import pathlib

import numpy as np
from absl import flags

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.table import ATTACKS, COMPATIBLE
from lira_jax.audit.results import Results
from lira_jax.audit.run import Request, audit_run
from lira_jax.cli import command
from lira_jax.errors import UserError, bad_choice
from lira_jax.interop import read as layouts
from lira_jax.interop.targets import read_targets
from lira_jax.report import terminal
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import Loaded, load_evidence, with_shadows_of

flags.DEFINE_string(
    "attacks",
    "fast",
    "Attacks to run, comma separated; all; or fast, which leaves out those that train something "
    "for every target. " + " ".join(f"{n}: {a.summary} ({a.source})." for n, a in ATTACKS.items()),
)
flags.DEFINE_string(
    "targets",
    "all",
    "What is attacked: all (every model, the others being its shadows; of disjoint masks the "
    "first half, by the second), models such as 0,3, or a file with the logits of a model trained "
    "elsewhere: .npy [N, K] or [N, A, K], or .npz or a folder with logits and keep.",
)
flags.DEFINE_string(
    "shadows",
    "",
    "Run directory whose models are the shadows of --workdir's instead: another recipe, trained "
    "on the same data and masks (LiRA VI-E); its model with the target's own number is left out. "
    "Needs --out.",
)
flags.DEFINE_string(
    "compat", "", "tf_privacy: compute LiRA as tensorflow/privacy's mi_lira_2021 does."
)
flags.DEFINE_bool("ablation", False, "Also what each component of LiRA adds (LiRA table II).")
flags.DEFINE_list(
    "num_shadows", [], "Also LiRA with so many random shadows, such as 4,8,16 (LiRA figure 9)."
)

SUMMARY = (
    "attacks every target with all other models as its shadows, on the scores that lira-score has "
    "saved, prints a table and writes attacks/*.npy, results.csv and results.json. In a run with "
    "targets of another recipe (lira-train --target_model and the like) these are the targets. It "
    "also reads the run directories of tensorflow/privacy (mi_lira_2021), lira-pytorch and "
    "lira_analysis; then give --out."
)
SHOWN = ["attacks", "targets", "shadows", "out", "compat", "ablation", "num_shadows", "probes"]
FEW_SHADOWS = 64


def main() -> None:
    names = chosen(command.FLAGS.attacks)
    compat = command.FLAGS.compat
    if compat not in COMPATIBLE:
        raise bad_choice("--compat", compat, [c for c in COMPATIBLE if c])
    try:
        counts = sorted({int(n) for n in command.FLAGS.num_shadows})
    except ValueError:
        raise UserError(
            f"--num_shadows={','.join(command.FLAGS.num_shadows)}: give whole numbers, comma "
            "separated"
        ) from None
    run, shadow_run, loaded, out = read_evidence()
    shadows = len(loaded.models) - (loaded.evidence.targets is not None)
    if shadows < FEW_SHADOWS - 1:
        progress.note(
            f"note: with {shadows} shadow models the variance of single examples is uncertain; "
            "the attacks with a fixed variance are advised below 64"
        )
    if shadow_run is not None:
        progress.note(
            f"the targets are the models of {run.path}, their shadow models those of "
            f"{shadow_run.path}"
        )
    request = Request(
        names,
        compat,
        skip_failures=command.FLAGS.attacks in ("all", "fast"),
        ablation=command.FLAGS.ablation,
        num_shadows=counts,
    )
    printed = set()

    def show(results: Results) -> None:
        for title, text in terminal.parts(results).items():
            if title not in printed:
                print(f"\n{title}\n{text}" if title else text)
                printed.add(title)

    results = audit_run(loaded, request, out, run=run, shadow_run=shadow_run, known=show)
    if not results.attacks:
        progress.note(
            f"the targets' membership is unknown: scores are in {out.path / 'attacks'}, without "
            "an evaluation"
        )


def chosen(text: str) -> list[str]:
    """Attack names from the flag, in the table's order."""
    installed = [n for n, a in ATTACKS.items() if not a.extra or importlib.util.find_spec(a.extra)]
    if text == "all":
        return installed
    if text == "fast":
        return [n for n in installed if not ATTACKS[n].slow]
    names = [n.strip() for n in text.split(",")]
    for name in names:
        if name not in ATTACKS:
            raise bad_choice("--attacks", name, ["all", "fast", *ATTACKS])
    return [n for n in ATTACKS if n in names]


def read_evidence() -> tuple[RunDirectory | None, RunDirectory | None, Loaded, RunDirectory]:
    """Reads what the flags name.

    Returns:
      The run of the targets, None for another tool's; the run of their shadows, None for the same;
      what is attacked; and where results go.
    """
    workdir, out, targets = (
        pathlib.Path(command.FLAGS[f].value) for f in ("workdir", "out", "targets")
    )
    outside, shadows, run, shadow_run = targets.exists(), command.FLAGS.shadows, None, None
    asked = "all" if outside else command.FLAGS.targets
    foreign = layouts.recognise(workdir)
    if not command.FLAGS.out and (foreign or shadows):
        why = f"{workdir} is another tool's run directory" if foreign else "--shadows is given"
        raise UserError(f"--out=: {why}; name a directory for the results")
    if shadows and (foreign or outside):
        raise UserError(
            f"--shadows={shadows}: the targets must be models of a run of lira_jax, such as "
            "--targets=all"
        )
    if foreign:
        evidence, models = layouts.read(workdir)
        evidence = select(evidence, models, asked)
        loaded = Loaded(evidence, models, [models[t] for t in evidence.targets])
    else:
        (run, settled), *own_targets = command.with_targets(*command.open_run())
        if shadows:
            shadow_run = RunDirectory(shadows)
        elif own_targets and not outside:
            shadow_run, (run, settled) = run, own_targets[0]
        loaded = load_evidence(run, settled, asked)
        if outside and settled.masks == "disjoint":
            raise UserError(
                f"--targets={targets}: not with --masks=disjoint; name models of the run"
            )
    if shadow_run is not None:
        loaded = with_shadows_of(shadow_run, run, loaded)
    if outside:
        evidence = with_outside_targets(loaded.evidence, targets)
        loaded = dataclasses.replace(loaded, evidence=evidence, targets=[command.FLAGS.targets])
    return run, shadow_run, loaded, RunDirectory(out if command.FLAGS.out else workdir)


def select(evidence: Evidence, models: list[int], targets: str) -> Evidence:
    """The evidence with the named models as targets.

    Raises:
      UserError: a name that is not among the models.
    """
    if targets == "all":
        return evidence
    try:
        positions = [models.index(int(t)) for t in targets.split(",")]
    except ValueError:
        raise UserError(
            f"--targets={targets}: give some of the models {models}, comma separated"
        ) from None
    return dataclasses.replace(evidence, targets=np.array(positions))


def with_outside_targets(evidence: Evidence, path: pathlib.Path) -> Evidence:
    """The evidence with the targets of a file; every model is a shadow."""
    _, num_examples, num_queries = evidence.phi.shape
    phi, logits, members = read_targets(
        path, evidence.labels, num_examples, num_queries, evidence.shadow_logits.shape[-1]
    )
    return dataclasses.replace(
        evidence,
        phi=evidence.phi[:, :, : phi.shape[2]],
        targets=None,
        outside_phi=phi,
        outside_logits=logits,
        outside_members=members,
    )


def cli() -> None:
    command.run("lira-attack", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
