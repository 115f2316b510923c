"""lira-attack: runs the attacks on the saved scores and evaluates them."""

import dataclasses
import importlib.util
import pathlib

import numpy as np
from absl import flags

from lira_jax import audit, experiment, layouts, progress
from lira_jax.attacks.evidence import Evidence
from lira_jax.attacks.table import ATTACKS, COMPATIBLE
from lira_jax.cli import command
from lira_jax.errors import UserError
from lira_jax.evaluation import exposure
from lira_jax.outside_targets import read_targets
from lira_jax.report import tables
from lira_jax.run_scores import load_evidence
from lira_jax.store import RunDirectory

flags.DEFINE_string(
    "attacks",
    "fast",
    "Attacks to run, comma separated; all; or fast, which leaves out those that train something for every target. "
    + " ".join(f"{n}: {a.summary} ({a.source})." for n, a in ATTACKS.items()),
)
flags.DEFINE_string(
    "targets",
    "all",
    "What is attacked: all (every model, the others being its shadows), models such as 0,3, or a file with the "
    "logits of a model trained elsewhere: .npy [N, K] or [N, A, K], or .npz or a folder with logits and keep.",
)
flags.DEFINE_string("compat", "", "tf_privacy: compute LiRA as tensorflow/privacy's mi_lira_2021 does.")
flags.DEFINE_bool("ablation", False, "Also what each component of LiRA adds (LiRA table II).")
flags.DEFINE_list("num_shadows", [], "Also LiRA with so many random shadows, such as 4,8,16 (LiRA figure 9).")

SUMMARY = (
    "attacks every target with all other models as its shadows, on the scores that lira-score has saved, "
    "prints a table and writes attacks/*.npy, results.csv and results.json. It also reads the run directories of "
    "tensorflow/privacy (mi_lira_2021), lira-pytorch and lira_analysis; then give --out."
)
SHOWN = ["attacks", "targets", "out", "compat", "ablation", "num_shadows"]
FEW_SHADOWS = 64


def main() -> None:
    names = chosen(command.FLAGS.attacks)
    compat = command.FLAGS.compat
    if compat not in COMPATIBLE:
        raise experiment.bad_choice("--compat", compat, [c for c in COMPATIBLE if c])
    try:
        counts = sorted({int(n) for n in command.FLAGS.num_shadows})
    except ValueError:
        raise UserError(
            f"--num_shadows={','.join(command.FLAGS.num_shadows)}: give whole numbers, comma separated"
        ) from None
    evidence, models, out = read_evidence()
    shadows = len(models) - (evidence.targets is not None)
    if shadows < FEW_SHADOWS - 1:
        progress.note(
            f"note: with {shadows} shadow models the variance of single examples is uncertain; "
            "the attacks with a fixed variance are advised below 64"
        )

    def save(name: str, scores: np.ndarray) -> None:
        out.write(f"attacks/{name}.npy", scores.astype(np.float32))

    everything = command.FLAGS.attacks in ("all", "fast")
    results = audit.run_attacks(
        evidence, {**ATTACKS, **COMPATIBLE[compat]}, names, save, skip_failures=everything
    )  # fmt: skip
    about = {
        "targets": [models[t] for t in evidence.targets] if evidence.targets is not None else [command.FLAGS.targets],
        "models": models,
        "compat": compat,
        **audit.about_models(evidence),
    }
    save_exposure(evidence, out)
    if not results:
        progress.note(
            f"the targets' membership is unknown: scores are in {out.path / 'attacks'}, without an evaluation"
        )
        return
    print(tables.as_text(results))
    if command.FLAGS.ablation:
        rows = audit.ablation(evidence)
        about["ablation"] = [summary.as_row(name) for name, summary in rows]
        print("\nWhat each component of LiRA adds (Carlini et al. 2022, table II)\n" + tables.as_text(rows))
    if counts:
        rows = audit.number_of_shadows(evidence, counts)
        about["num_shadows"] = [{"num_shadows": n, **summary.as_row(name)} for n, name, summary in rows]
        shown = [(f"{n:4d} {name}", summary) for n, name, summary in rows]
        print("\nWith fewer shadow models (Carlini et al. 2022, figure 9)\n" + tables.as_text(shown))
    out.write_text("results.csv", tables.as_csv(results))
    out.write_json("results.json", tables.as_json(results, **about))


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
            raise experiment.bad_choice("--attacks", name, ["all", "fast", *ATTACKS])
    return [n for n in ATTACKS if n in names]


def read_evidence() -> tuple[Evidence, list[int], RunDirectory]:
    """The evidence of --workdir and --targets, the ids of its models, and where results go."""
    workdir, out, targets = (pathlib.Path(command.FLAGS[f].value) for f in ("workdir", "out", "targets"))
    outside = targets.exists()
    asked = "all" if outside else command.FLAGS.targets
    if layouts.recognise(workdir):
        if not command.FLAGS.out:
            raise UserError(f"--out=: {workdir} is another tool's run directory; name a directory for the results")
        evidence, models = layouts.read(workdir)
        evidence = select(evidence, models, asked)
    else:
        run, settled = command.open_run()
        evidence, models = load_evidence(run, settled, asked)
    if outside:
        evidence = with_outside_targets(evidence, targets)
    return evidence, models, RunDirectory(out if command.FLAGS.out else workdir)


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
        raise UserError(f"--targets={targets}: give some of the models {models}, comma separated") from None
    return dataclasses.replace(evidence, targets=np.array(positions))


def with_outside_targets(evidence: Evidence, path: pathlib.Path) -> Evidence:
    """The evidence with the targets of a file; every model is a shadow."""
    _, num_examples, num_queries = evidence.phi.shape
    phi, logits, members = read_targets(
        path, evidence.labels, num_examples, num_queries, evidence.shadow_logits.shape[-1]
    )  # fmt: skip
    return dataclasses.replace(
        evidence, phi=evidence.phi[:, :, : phi.shape[2]], targets=None,
        outside_phi=phi, outside_logits=logits, outside_members=members,
    )  # fmt: skip


def save_exposure(evidence: Evidence, out: RunDirectory) -> None:
    """Writes exposure.npy, where every example has enough models in and out."""
    try:
        exposed = exposure.exposure(evidence.phi, evidence.keep)
    except UserError as error:
        progress.note(f"left out exposure.npy: {error}")
    else:
        out.write("exposure.npy", exposed.astype(np.float32))


def cli() -> None:
    command.run("lira-attack", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
