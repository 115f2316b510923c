"""lira-attack: runs the attacks on the saved scores and evaluates them."""

import importlib.util

import numpy as np
from absl import flags

from lira_jax import progress
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.table import ATTACKS, COMPATIBLE, Attack, on_signals
from lira_jax.audit import probes as false_alarms
from lira_jax.audit import run as audit
from lira_jax.cli import command
from lira_jax.data import outliers, probes
from lira_jax.errors import UserError, bad_choice
from lira_jax.evaluation import exposure
from lira_jax.evaluation.assessment import Assessment
from lira_jax.interop import evidence as evidence_lib
from lira_jax.interop.read import recognise
from lira_jax.report import tables
from lira_jax.runs import directory
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import load_probe

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
    source, out = read_evidence()
    run, shadow_run, loaded = source.run, source.shadow_run, source.loaded
    evidence, models = loaded.evidence, loaded.models
    shadows = evidence.num_shadows
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
        out.write(directory.attack_name(name), scores.astype(np.float32))

    everything = command.FLAGS.attacks in ("all", "fast")
    table = {**ATTACKS, **COMPATIBLE[compat]}
    table |= on_signals(names, table)
    results = audit.run_attacks(evidence, table, names, save, skip_failures=everything)
    about = {
        "targets": loaded.targets,
        "models": models,
        "compat": compat,
        **audit.about_models(evidence),
    }
    if shadow_run is not None:
        about |= evidence_lib.about_shadows(source, out)
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
    if run is not None and (found := probe(source, table, results)):
        about["probes"] = found
        print(
            "\nFalse positives on probes, percent (Hintersdorf et al. 2022)\n"
            + tables.false_positives(found)
        )
    if command.FLAGS.ablation:
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
    out.write_text(directory.RESULTS_CSV, tables.as_csv(results))
    out.write_json(directory.RESULTS_JSON, tables.as_json(results, **about))


def chosen(text: str) -> list[str]:
    """Attack names from the flag, in the table's order."""
    installed = [n for n, a in ATTACKS.items() if not a.extra or importlib.util.find_spec(a.extra)]
    if text == "all":
        return installed
    if text == "fast":
        return [n for n in installed if not ATTACKS[n].slow]
    names = [n.strip() for n in text.split(",")]
    others = on_signals(names, ATTACKS)
    for name in names:
        if name not in ATTACKS and name not in others:
            raise bad_choice("--attacks", name, ["all", "fast", *ATTACKS])
    return [n for n in (*ATTACKS, *others) if n in names]


def read_evidence() -> tuple[evidence_lib.Source, RunDirectory]:
    """Reads what the flags name; where results go comes second."""
    workdir, out = command.FLAGS.workdir, command.FLAGS.out
    asked, shadows = command.FLAGS.targets, command.FLAGS.shadows
    foreign = recognise(workdir)
    if not out and (foreign or shadows):
        why = f"{workdir} is another tool's run directory" if foreign else "--shadows is given"
        raise UserError(f"--out=: {why}; name a directory for the results")
    if foreign:
        source = evidence_lib.read_foreign(workdir, asked, shadows)
    else:
        source = evidence_lib.read_own(command.with_targets(*command.open_run()), asked, shadows)
    return source, RunDirectory(out or workdir)


def save_exposure(evidence: Evidence, out: RunDirectory) -> np.ndarray | None:
    """Writes exposure.npy and returns it, where every example has enough models in and out."""
    try:
        exposed = exposure.exposure(evidence.signals["phi"], evidence.keep)
    except UserError as error:
        progress.note(f"left out exposure.npy: {error}")
        return None
    out.write(directory.EXPOSURE, exposed.astype(np.float32))
    return exposed


def exposure_by_source(run: RunDirectory, exposed: np.ndarray) -> dict[str, dict[str, float]]:
    """Exposures of the pool and of the outliers put into it; empty if there are none."""
    if not run.has(directory.SOURCES):
        return {}
    names = outliers.names(run.read_experiment().outliers_from)
    return exposure.by_source(exposed, run.read(directory.SOURCES, exposed.shape), names)


def probe(
    source: evidence_lib.Source,
    table: dict[str, Attack],
    results: dict[str, Assessment],
) -> dict:
    """False positives on each set of probes that the run has been scored on, and on the pool's
    non-members."""
    run, shadow_run, loaded = source.run, source.shadow_run, source.loaded
    names = probes.parse(run.read_experiment().probes)
    if not names:
        return {}
    foreign = shadow_run is not None and shadow_run.targets().path.resolve() != run.path.resolve()
    if foreign or source.outside:
        progress.note(
            "left out the probes: they are counted where targets and shadows are models of one run"
        )
        return {}
    if "logits" not in loaded.evidence.signals:
        progress.note("left out the probes: they need logits, lira-score --signals=phi,logits")
        return {}
    found = {"(non-members)": false_alarms.on_nonmembers(loaded.evidence, results)}
    for name in progress.each("probes", names, "sets"):
        probed = load_probe(shadow_run or run, name, loaded, run)
        found[name] = false_alarms.on_probes(probed, loaded.evidence, table, results)
    return found


def cli() -> None:
    command.run("lira-attack", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
