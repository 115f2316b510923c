"""lira-report: draws the figures of a run."""

import numpy as np

from lira_jax.cli import command
from lira_jax.evaluation import exposure
from lira_jax.progress import note
from lira_jax.report import figures
from lira_jax.run_scores import load_evidence

SUMMARY = "draws the ROC curves and the in and out histograms of a run that lira-attack has evaluated."


def main() -> None:
    run, experiment = command.open_run()
    results = run.read_json("results.json", written_by="lira-attack")
    attacks = results["attacks"]
    curves = {
        name: (np.array(r["roc"]["fpr"]), np.array(r["roc"]["tpr"]), r["auc"]["value"]) for name, r in attacks.items()
    }  # fmt: skip
    fewest = min(r["num_nonmembers"] for r in attacks.values())
    figures.save(figures.roc(curves, 1 / fewest), run.replacing, "roc")

    evidence, _ = load_evidence(run, experiment, "all")
    dataset = command.load_data(run, experiment)
    exposed = exposure.exposure(evidence.phi, evidence.keep)
    histograms = figures.exposure_histograms(
        evidence.phi[:, :, 0], evidence.keep, evidence.labels, exposed, dataset.x if dataset.is_image else None
    )
    figures.save(histograms, run.replacing, "exposure")
    note(f"figures are in {run.path / 'report'}")


def cli() -> None:
    command.run("lira-report", SUMMARY, [], main)


if __name__ == "__main__":
    cli()
