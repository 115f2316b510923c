"""lira-attack: runs the attacks on the saved scores and evaluates them."""

import dataclasses
import importlib.util
import os
import pathlib

import numpy as np

from lira_jax import experiment, progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.table import ATTACKS, COMPATIBLE, Attack
from lira_jax.audit import probes as false_alarms
from lira_jax.audit import run as audit
from lira_jax.cli import flags
from lira_jax.data import outliers, probes
from lira_jax.errors import UserError, bad_choice
from lira_jax.evaluation import exposure
from lira_jax.evaluation.assessment import Assessment
from lira_jax.interop import read as layouts
from lira_jax.interop.targets import read_targets
from lira_jax.report import tables
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import Loaded, load_evidence, load_probe, with_shadows_of

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
    "targets of another recipe (lira-train --target_flagfile) these are the targets. It "
    "also reads the run directories of tensorflow/privacy (mi_lira_2021), lira-pytorch and "
    "lira_analysis; then give --out."
)
SHOWN = ["attacks", "targets", "shadows", "out", "compat", "ablation", "num_shadows", "probes"]
FEW_SHADOWS = 64


def main() -> None:
    names = chosen(flags.FLAGS.attacks)
    compat = flags.FLAGS.compat
    if compat not in COMPATIBLE:
        raise bad_choice("--compat", compat, [c for c in COMPATIBLE if c])
    try:
        counts = sorted({int(n) for n in flags.FLAGS.num_shadows})
    except ValueError:
        raise UserError(
            f"--num_shadows={','.join(flags.FLAGS.num_shadows)}: give whole numbers, comma "
            "separated"
        ) from None
    run, shadow_run, loaded, out = read_evidence()
    evidence, models = loaded.evidence, loaded.models
    shadows = len(models) - (evidence.targets is not None)
    if shadows < FEW_SHADOWS - 1:
        progress.note(
            f"note: with {shadows} shadow models the variance of single examples is uncertain; "
            "the attacks with a fixed variance are advised below 64"
        )

    def save(name: str, scores: np.ndarray) -> None:
        if loaded.examples is not None:  # the rest of the pool is not under attack
            whole = np.full((len(scores), len(loaded.examples)), np.nan)
            whole[:, loaded.examples] = scores
            scores = whole
        out.write(f"attacks/{name}.npy", scores.astype(np.float32))

    everything = flags.FLAGS.attacks in ("all", "fast")
    table = {**ATTACKS, **COMPATIBLE[compat]}
    results = audit.run_attacks(evidence, table, names, save, skip_failures=everything)
    about = {
        "targets": loaded.targets,
        "models": models,
        "compat": compat,
        **audit.about_models(evidence),
    }
    if shadow_run is not None:
        about |= about_shadows(run, shadow_run, out)
        progress.note(
            f"the targets are the models of {run.path}, their shadow models those of "
            f"{shadow_run.path}"
        )
    exposed = save_exposure(evidence, out)
    if not results:
        progress.note(
            f"the targets' membership is unknown: scores are in {out.path / 'attacks'}, without "
            "an evaluation"
        )
        return
    print(tables.as_text(results))
    if run is not None and exposed is not None and (found := exposure_by_source(run, exposed)):
        about["exposure_by_source"] = audit.without_nan(found)
        print(
            "\nExposure by source (Carlini et al. 2022, VII-B)\n" + tables.exposure_by_source(found)
        )
    if run is not None and (found := probe(run, shadow_run, loaded, table, results)):
        about["probes"] = found
        print(
            "\nFalse positives on probes, percent (Hintersdorf et al. 2022)\n"
            + tables.false_positives(found)
        )
    if flags.FLAGS.ablation:
        rows = audit.ablation(evidence)
        about["ablation"] = [summary.as_row(name) for name, summary in rows]
        print(
            "\nWhat each component of LiRA adds (Carlini et al. 2022, table II)\n"
            + tables.as_text(rows)
        )
    if counts:
        rows = audit.number_of_shadows(evidence, counts)
        about["num_shadows"] = [
            {"num_shadows": n, **summary.as_row(name)} for n, name, summary in rows
        ]
        shown = [(f"{n:4d} {name}", summary) for n, name, summary in rows]
        print(
            "\nWith fewer shadow models (Carlini et al. 2022, figure 9)\n" + tables.as_text(shown)
        )
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
            raise bad_choice("--attacks", name, ["all", "fast", *ATTACKS])
    return [n for n in ATTACKS if n in names]


def read_evidence() -> tuple[RunDirectory | None, RunDirectory | None, Loaded, RunDirectory]:
    """Reads what the flags name.

    Returns:
      The run of the targets, None for another tool's; the run of their shadows, None for the same;
      what is attacked; and where results go.
    """
    workdir, out, targets = (
        pathlib.Path(flags.FLAGS[f].value) for f in ("workdir", "out", "targets")
    )
    outside, shadows, run, shadow_run = targets.exists(), flags.FLAGS.shadows, None, None
    asked = "all" if outside else flags.FLAGS.targets
    foreign = layouts.recognise(workdir)
    if not flags.FLAGS.out and (foreign or shadows):
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
        (run, settled), *own_targets = flags.open_runs()
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
        loaded = dataclasses.replace(loaded, evidence=evidence, targets=[flags.FLAGS.targets])
    return run, shadow_run, loaded, RunDirectory(out if flags.FLAGS.out else workdir)


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


def save_exposure(evidence: Evidence, out: RunDirectory) -> np.ndarray | None:
    """Writes exposure.npy and returns it, where every example has enough models in and out."""
    try:
        exposed = exposure.exposure(evidence.phi, evidence.keep)
    except UserError as error:
        progress.note(f"left out exposure.npy: {error}")
        return None
    out.write("exposure.npy", exposed.astype(np.float32))
    return exposed


def exposure_by_source(run: RunDirectory, exposed: np.ndarray) -> dict[str, dict[str, float]]:
    """Exposures of the pool and of the outliers put into it; empty if there are none."""
    if not run.has("sources.npy"):
        return {}
    names = outliers.names(run.read_experiment().outliers_from)
    return exposure.by_source(exposed, run.read("sources.npy", exposed.shape), names)


def about_shadows(run: RunDirectory, shadow_run: RunDirectory, out: RunDirectory) -> dict:
    """How the targets differ from the shadow models of another run, and where they are as seen from
    the results."""
    return {
        "shadows": str(shadow_run.path),
        "target_run": os.path.relpath(run.path, out.path),
        "target_recipe": experiment.recipe_differences(
            run.read_experiment(), shadow_run.read_experiment()
        ),
    }


def probe(
    run: RunDirectory,
    shadow_run: RunDirectory | None,
    loaded: Loaded,
    table: dict[str, Attack],
    results: dict[str, Assessment],
) -> dict:
    """False positives on each set of probes that the run has been scored on, and on the pool's
    non-members."""
    names = probes.parse(run.read_experiment().probes)
    if not names:
        return {}
    foreign = shadow_run is not None and shadow_run.targets().path.resolve() != run.path.resolve()
    if foreign or loaded.targets == [flags.FLAGS.targets]:
        progress.note(
            "left out the probes: they are counted where targets and shadows are models of one run"
        )
        return {}
    found = {"(non-members)": false_alarms.on_nonmembers(loaded.evidence, results)}
    for name in progress.each("probes", names, "sets"):
        probed = load_probe(shadow_run or run, name, loaded, run)
        found[name] = false_alarms.on_probes(probed, loaded.evidence, table, results)
    return found


def cli() -> None:
    flags.run("lira-attack", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
