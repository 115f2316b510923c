"""lira-export: writes a run in the layout of another tool."""

import numpy as np

from lira_jax import progress
from lira_jax.audit.results import Results
from lira_jax.cli import flags, opening
from lira_jax.errors import UserError
from lira_jax.interop.write import export
from lira_jax.runs import data as run_data
from lira_jax.runs.layout import RESULTS

flags.DEFINE_string(
    "format",
    "tf_privacy",
    "Layout to write: tf_privacy (research/mi_lira_2021 of tensorflow/privacy, its grid of "
    "queries in its order), lira_pytorch, or lira_analysis (with the attacks' scores too, for its "
    "run_analysis.py).",
)

SUMMARY = (
    "writes masks, scores and logits of a run that lira-score has scored so that the attack code "
    "of tensorflow/privacy, lira-pytorch or lira_analysis reads them."
)


def main() -> None:
    run, experiment = opening.open_run()
    out, layout = flags.FLAGS.out, flags.FLAGS.format
    if not out:
        raise UserError("--out= is empty: give the folder to write, such as --out=exp/cifar10")
    images = None
    if layout == "tf_privacy":
        try:
            dataset = run_data.load_data(run, experiment)
            images = dataset.x if dataset.is_image and dataset.x.dtype == np.uint8 else None
        except UserError as error:
            progress.note(f"note: x_train.npy is left out: {error}")
    targets = None
    if layout == "lira_analysis" and (run.path / RESULTS).exists():
        targets = Results.read(run.path).targets
    models = export(run, experiment, out, layout, images, targets)
    progress.note(f"wrote {len(models)} models to {out} in the layout of {layout}")


def cli() -> None:
    flags.run("lira-export", SUMMARY, ["out", "format"], main)


if __name__ == "__main__":
    cli()
