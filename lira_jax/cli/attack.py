"""lira-attack: runs the attacks on the saved scores and evaluates them."""

import time

import numpy as np
from absl import flags

from lira_jax import experiment as experiment_lib
from lira_jax import progress
from lira_jax.attacks.table import ATTACKS, COMPATIBLE
from lira_jax.cli import command
from lira_jax.errors import UserError
from lira_jax.evaluation import summary
from lira_jax.report import tables
from lira_jax.run_scores import load_evidence

flags.DEFINE_string(
    "attacks",
    "all",
    "Attacks to run, comma separated, or all. " + " ".join(f"{n}: {a.summary}." for n, a in ATTACKS.items()),
)
flags.DEFINE_string("targets", "all", "Models that are attacked, each with all the others as shadows: all, or 0,3.")
flags.DEFINE_string("compat", "", "tf_privacy: compute LiRA as tensorflow/privacy's mi_lira_2021 does.")

SUMMARY = (
    "attacks every target with all other models as its shadows, on the scores that lira-score has saved, "
    "prints a table and writes attacks/*.npy, results.csv and results.json."
)
SHOWN = ["attacks", "targets", "compat"]
FEW_SHADOWS = 64


def main() -> None:
    run, experiment = command.open_run()
    names = chosen(command.FLAGS.attacks)
    compat = command.FLAGS.compat
    if compat not in COMPATIBLE:
        raise experiment_lib.bad_choice("--compat", compat, [c for c in COMPATIBLE if c])
    table = {**ATTACKS, **COMPATIBLE[compat]}
    evidence, models = load_evidence(run, experiment, command.FLAGS.targets)
    if len(models) < FEW_SHADOWS:
        progress.note(
            f"note: with {len(models)} models the variance of single examples is uncertain; "
            "the attacks with fixed variance are advised below 64"
        )

    results = {}
    with progress.bar("attack", len(names), "attacks") as bar:
        for name in names:
            bar.set_postfix_str(name)
            started = time.monotonic()
            try:
                scores = table[name].run(evidence)
            except UserError as error:
                if command.FLAGS.attacks != "all":
                    raise UserError(f"--attacks={name}: {error}") from None
                progress.note(f"left out {name}: {error}")
                bar.update()
                continue
            run.write(f"attacks/{name}.npy", scores.astype(np.float32))
            results[name] = summary.evaluate(scores, evidence.members)
            seconds = time.monotonic() - started
            bar.update()
            if seconds > 60:
                progress.note(f"{name} took {seconds:.0f} s")
    run.write_text("results.csv", tables.as_csv(results))
    run.write_json(
        "results.json",
        tables.as_json(results, targets=[models[t] for t in evidence.targets], models=models, compat=compat),
    )
    print(tables.as_text(results))


def chosen(text: str) -> list[str]:
    """Attack names from the flag, in the table's order."""
    names = list(ATTACKS) if text == "all" else [n.strip() for n in text.split(",")]
    for name in names:
        if name not in ATTACKS:
            raise experiment_lib.bad_choice("--attacks", name, ["all", *ATTACKS])
    return [n for n in ATTACKS if n in names]


def cli() -> None:
    command.run("lira-attack", SUMMARY, SHOWN, main)


if __name__ == "__main__":
    cli()
