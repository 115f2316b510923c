"""lira-score: queries the trained models on augmented copies of every example."""

from lira_jax import masks
from lira_jax.cli import command
from lira_jax.progress import note

SUMMARY = (
    "scores every example under every trained model on the grid of augmented copies, and writes phi and logits. "
    "Models that are scored already are passed over."
)
SHOWN = ["model_ids", *command.SCORE_FLAGS, *command.HOW_FLAGS]


def main() -> None:
    run, experiment = command.open_run()
    ids = masks.parse_ids(command.FLAGS.model_ids, experiment.num_models)
    dataset = command.load_data(run, experiment)

    from lira_jax.signals.score import score_models  # after the cheap checks

    scored = score_models(experiment, dataset, run, ids)
    note(f"scored {scored} models: {len(dataset.y)} examples x {experiment.queries} queries each")


def cli() -> None:
    command.run("lira-score", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
