"""What attacks lose, and models leak, where targets and shadow models are of different recipes.

    python scripts/mismatch_grid.py CONFIG DIR BUNDLE BUNDLE ... [--attack=...] [--flag=value ...]
    python scripts/mismatch_grid.py configs/mismatch_digits.flags runs/mismatch \
        configs/bundles/{none,mirror,mirror_shift}.flags

A bundle is a flagfile with the flags in which a recipe differs from CONFIG: of the model, the
training, and --queries, those of an attacker who takes the recipe for the targets'. The models of
each bundle are trained and scored once, in DIR/runs/BUNDLE, with the largest number of queries;
then the models of each are attacked with those of each as shadows (DIR/cells/TARGET-by-SHADOW),
with the queries of the shadows' bundle. Carlini et al. 2022, section VI-E, figures 7, 11, 16 and 22
to 24.

Prints a table, targets in rows and shadows in columns, and writes DIR/grid.csv and in DIR/report a
heat map, the ROC of all cells, and leakage against the accuracy gap, as PNG and PDF. Run again, it
goes on where it was interrupted. Other flags go to training and scoring; all runs share data, masks
and seed.
"""

import argparse
import csv
import os
import pathlib
import re
import subprocess
import sys

from lira_jax import progress
from lira_jax.audit.results import Results
from lira_jax.errors import UserError, bad_choice
from lira_jax.evaluation.roc import TPR_AT
from lira_jax.report import figures, mismatch, wording
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.folder import MANIFEST
from lira_jax.runs.layout import RESULTS

ROOT = pathlib.Path(__file__).resolve().parents[1]
METRICS = ("auc", "balanced_accuracy", *TPR_AT)


def main():
    """Makes the grid that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("bundles", type=pathlib.Path, nargs="+")
    parser.add_argument("--attack", default="lira_online_fixed")
    parser.add_argument("--metric", default="tpr_at_1e-3", help="of the heat map and the table")
    options, more = parser.parse_known_args()
    if options.metric not in METRICS:
        raise bad_choice("--metric", options.metric, METRICS)
    bundles = {path.stem: path for path in options.bundles}
    if len(bundles) < len(options.bundles):
        raise UserError("two bundles have one name; rename a file")
    for path in (options.config, *options.bundles):
        if not path.is_file():
            raise UserError(f"{path}: there is no such flagfile")
    if any(re.match("--?queries|--?workdir", flag) for flag in more):
        raise UserError("--queries and --workdir: give queries in the bundles, and DIR")

    asked = {name: queries(path) or queries(options.config) or 18 for name, path in bundles.items()}
    for number, (name, path) in enumerate(bundles.items(), start=1):
        progress.note(f"{name}: recipe {number} of {len(bundles)}")
        for stage in ("train", "score"):
            command(
                stage,
                f"--flagfile={options.config}",
                f"--flagfile={path}",
                f"--workdir={run_of(options.dir, name)}",
                f"--queries={max(asked.values())}",
                *more,
            )
    pairs = [(target, shadow) for target in bundles for shadow in bundles]
    found = {}
    for number, (target, shadow) in enumerate(pairs, start=1):
        out = options.dir / "cells" / f"{target}-by-{shadow}"
        sources = [run_of(options.dir, name) for name in (target, shadow)]
        used = 0 if asked[shadow] == max(asked.values()) else asked[shadow]
        results = finished(out, sources, options.attack, used)
        if results is None:
            progress.note(f"{out.name}: cell {number} of {len(pairs)}, {asked[shadow]} queries")
            command(
                "attack",
                f"--workdir={sources[0]}",
                f"--shadows={sources[1]}",
                f"--attacks={options.attack}",
                f"--use_queries={used}",
                f"--out={out}",
                quiet=True,
            )
            results = Results.read(out)
        found[target, shadow] = results
    report(options.dir, list(bundles), found, options.attack, options.metric, asked)


def queries(path):
    """What a flagfile says of --queries; 0 if nothing."""
    said = re.findall(r"^\s*--?queries(?:=|\s+)(\d+)\s*$", path.read_text(), re.M)
    return int(said[-1]) if said else 0


def run_of(folder, name):
    """The run directory of a bundle."""
    return folder / "runs" / name


def finished(out, sources, attack, used):
    """The results of a cell, if they are newer than its runs and of this attack; else None."""
    if not (out / RESULTS).exists():
        return None
    written = (out / RESULTS).stat().st_mtime_ns
    if any((source / MANIFEST).stat().st_mtime_ns > written for source in sources):
        return None
    try:
        results = Results.read(out)
    except UserError:
        return None
    return results if attack in results.attacks and results.used_queries == used else None


def command(stage, *flags, quiet=False):
    """Runs a stage; ends with its status if it fails."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", f"lira_jax.cli.{stage}", *flags],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL if quiet else None,
        check=False,
    )
    if done.returncode:
        sys.exit(done.returncode)


def report(folder, names, found, attack, metric, asked):
    """Prints the table, and writes grid.csv and the figures."""
    cells = {pair: results.attacks[attack] for pair, results in found.items()}
    if not any(cell.metrics[metric].is_known for cell in cells.values()):
        progress.note(f"note: there are too few non-members for {metric}; this is the AUC")
        metric = "auc"
    width = max(12, *(len(name) + 2 for name in names))
    print(f"{wording.COLUMN[metric]} of {attack}: targets in rows, shadow models in columns")
    print("".ljust(width) + "".join(name.rjust(width) for name in names))
    for target in names:
        row = [wording.cell(metric, cells[target, shadow].metrics[metric]) for shadow in names]
        print(target.ljust(width) + "".join(cell["text"].rjust(width) for cell in row))
    run = RunDirectory(folder)
    with run.replacing("grid.csv") as path, open(path, "w", newline="") as file:
        writer = csv.writer(file)
        ends = [f"{m}{end}" for m in METRICS for end in ("", "_low", "_high")]
        writer.writerow(["targets", "shadows", "queries", "attack", *ends])
        for (target, shadow), cell in cells.items():
            estimates = [cell.metrics[m] for m in METRICS]
            values = [v for e in estimates for v in (e.value, e.low, e.high)]
            texts = ["" if v != v else repr(float(v)) for v in values]
            writer.writerow([target, shadow, asked[shadow], attack, *texts])
    figures.save(mismatch.heat_map(cells, names, metric), run.replacing, "heat_map")
    figures.save(mismatch.rocs(cells, names), run.replacing, "roc")
    accuracy = {name: found[name, name].accuracy for name in names}
    if all(accuracy.values()):
        drawn = mismatch.vulnerability(cells, accuracy, names, metric)
        figures.save(drawn, run.replacing, "vulnerability")
    progress.note(f"the figures are in {folder / 'report'}, all metrics in {folder / 'grid.csv'}")


def cli():
    """The same; an error of the user's is one line."""
    try:
        main()
    except UserError as error:
        print(f"mismatch_grid: error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    cli()
