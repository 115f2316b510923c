"""lira-audit: all stages in one process, with a recipe chosen from the data where none is given."""

import pathlib
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import flags as absl_flags

from lira_jax.cli import attack, flagfiles, flags, opening, report, score, train
from lira_jax.data import kind, masks
from lira_jax.data.dataset import Dataset
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment, shown, usual
from lira_jax.progress import note
from lira_jax.report import wording
from lira_jax.runs import checkpoint
from lira_jax.runs import data as run_data
from lira_jax.runs.directory import RunDirectory

if TYPE_CHECKING:  # --help need not wait for JAX
    from lira_jax.models.network import Network

SUMMARY = (
    "trains shadow models, scores and attacks them and writes the page. `lira-audit digits` does "
    "so by a config that comes with lira_jax, `lira-audit mine.csv` (an .npz, a folder of images, "
    "a text) on your own data, with a model and a training chosen by their kind and size unless "
    "flags say otherwise. All flags of the four stages may be given. Run again, it goes on where "
    "it was interrupted."
)
SHOWN = [
    *("config", "dataset", "data_path", "image_size", "num_examples", "drop_duplicates"),
    *("num_models", "model", "epochs", "batch_size", "learning_rate", "augment", "queries"),
    *("attacks", "workers", *flags.HOW_FLAGS),
]
FIRST_ON_CPU, FIRST_ON_ACCELERATOR = 8, 64
"""Models that are trained before the others, for a preview."""

_GOES_WITH = {
    "model": ("depth", "width", "hidden", "compute_dtype"),
    "optimizer": ("learning_rate", "momentum", "weight_decay", "schedule", "warmup"),
    "augment": ("shift", "queries"),
}
"""Where the first is given, the others are not chosen: they would belong to another."""

_SECONDS_PER_SCORE = 1.5e-4  # of the attacks that are fast, on two cores


def main() -> None:
    with run_data.reading_once():
        _all_stages()


def _all_stages() -> None:
    began = time.monotonic()
    flags.start_jax()
    run = RunDirectory(flags.FLAGS.workdir)
    if not run.has_experiment() and not _has_recipe(sys.argv[1:]):
        _set([*_usual_recipe(run), *sys.argv[1:]])
    if first := _first_models(run):
        flags.FLAGS["model_ids"].value = f"0:{first}"
        train.run(_tell_expected)
        score.main()
        _show_preview(run, first, time.monotonic() - began)
        _keep_width(run, first)
        flags.FLAGS["model_ids"].value = "all"
    train.run(None if first else _tell_expected)
    score.main()
    attack.run(last=False)
    if flags.FLAGS.protocol == "shadows":  # an attacker who knows members has tables, and no page
        report.main()
    note(f"all stages together took {_in_words(time.monotonic() - began)}")


def _set(arguments: Sequence[str]) -> None:
    """Goes on with other flags, which worker processes are given too."""
    flags.parse(["lira-audit", *arguments])
    sys.argv[1:] = arguments


def complete(argv: Sequence[str]) -> list[str]:
    """The command line with what is left to this command: config or data, and --workdir.

    Args:
      argv: the command, and what the user has given.

    Raises:
      flags.Error: a word that is neither a config nor data, or as `flags.parse`.
      UserError: the data look like nothing that there is a reader for.
    """
    words, arguments = _apart(argv[1:])
    if len(words) > 1:
        raise absl_flags.Error(f"{words[1]!r}: give one config or one path; flags are --name=value")
    for word in words:
        arguments.insert(0, _config_or_data(word))
    flags.parse([argv[0], *arguments])
    dataset, path = flags.FLAGS["dataset"], flags.FLAGS.data_path
    if path:
        # A config of digits, which has no file, lends its recipe.
        if not _has_run() and (not dataset.present or dataset.value == "digits"):
            arguments.append(f"--dataset={kind.of_path(path)}")
    elif not (dataset.present or _has_recipe(arguments) or flags.FLAGS.workdir):
        arguments.insert(0, "--config=digits")
    if not flags.FLAGS.workdir:
        workdir = f"runs/{_name(arguments)}"
        _check_same_data(RunDirectory(workdir), path)
        arguments.append(f"--workdir={workdir}")
    others = [f.name for f in flags.FLAGS.get_flags_for_module(flags.OWN)]
    return [argv[0], f"--undefok={','.join(others)}", *arguments]


def _apart(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words that are no flags nor their values; and the flags, all as --name=value."""
    words: list[str] = []
    arguments: list[str] = []
    rest = iter(argv)
    for word in rest:
        name = word.lstrip("-")
        valued = name in ("flagfile", "undefok") or (
            name in flags.FLAGS and not flags.FLAGS[name].boolean
        )
        if word == "--":
            return words + list(rest), arguments
        if not word.startswith("-"):
            words.append(word)
        elif valued and (value := next(rest, None)) is not None:
            arguments.append(f"--{name}={value}")
        else:
            arguments.append(word)
    return words, arguments


def _config_or_data(word: str) -> str:
    """The flag that a word stands for."""
    if word in flagfiles.configs():
        return f"--config={word}"
    if word and pathlib.Path(word).expanduser().exists():
        return f"--data_path={word}"
    configs = ", ".join(flagfiles.configs())
    raise absl_flags.Error(
        f"{word!r}: neither a file or folder of data nor a config; configs are {configs}"
    )


def _has_recipe(arguments: Sequence[str]) -> bool:
    return any(a.lstrip("-").split("=")[0] in ("config", "flagfile") for a in arguments)


def _has_run() -> bool:
    return flags.FLAGS.workdir != "" and RunDirectory(flags.FLAGS.workdir).has_experiment()


def _name(arguments: Sequence[str]) -> str:
    """What the run directory is called: as the data, or else the config or flagfile."""
    given = dict(a.lstrip("-").split("=", 1) for a in arguments if "=" in a)
    named = (given.get(flag, "") for flag in ("data_path", "config", "flagfile", "dataset"))
    path = pathlib.Path(next(filter(None, named), "run")).expanduser()
    return kind.without_suffix(path.absolute()) or "run"


def _check_same_data(run: RunDirectory, path: str) -> None:
    """Checks that a run in the folder that is taken by default is one of these data.

    Raises:
      UserError: it is of a file of the same name elsewhere.
    """
    if path and run.has_experiment():
        stored = run.read_experiment().data_path
        if stored != str(pathlib.Path(path).expanduser().absolute()):
            raise UserError(
                f"--workdir={run.path}: this run is of {stored or 'other data'}; give another "
                "--workdir, or this one if the data have moved"
            )


def _usual_recipe(run: RunDirectory) -> list[str]:
    """Flags of a usual recipe for the data, but for those that are given; a note names them."""
    import jax

    asked, given = opening.asked_experiment()
    dataset = run_data.read(asked, run)
    chosen = usual.recipe(
        dataset.x.shape[1:],
        text=dataset.is_text,
        examples=len(dataset.y),
        accelerator=jax.default_backend() != "cpu",
    )
    others = {o for head, rest in _GOES_WITH.items() if head in given for o in rest}
    named = [f"--{shown(n, v)}" for n, v in chosen.items() if n not in {*given, *others}]
    note(f"chosen for such data: {' '.join(named)}; give any of them to have it otherwise")
    return named


def _first_models(run: RunDirectory) -> int:
    """How many models are trained first, for a preview; 0 for none.

    There is none where it would say nothing new, or of no use: where most models are trained, a
    share of them is asked for, targets and shadows are not of one kind, or there are few.
    """
    import jax

    e = run.read_experiment() if run.has_experiment() else opening.asked_experiment()[0]
    if (
        flags.FLAGS["model_ids"].present
        or flags.FLAGS.part
        or masks.is_disjoint(e.masks)
        or e.masks == masks.OFFICIAL
    ):
        return 0
    first = FIRST_ON_CPU if jax.default_backend() == "cpu" else FIRST_ON_ACCELERATOR
    finished = sum(checkpoint.is_finished(run.checkpoints(), m) for m in range(e.num_models))
    phi = not e.recipe and "phi" in e.signal_names
    return first if phi and e.num_models >= 2 * first and finished <= first else 0


def _keep_width(run: RunDirectory, first: int) -> None:
    """Trains the other models side by side as the first, if these were a rule's whole chunk.

    The program is compiled already, and dense networks on a CPU are as fast in any number
    (docs/measurements/quickstart_speed.md). Of a longer training, plan.json says what is fastest.
    """
    from lira_jax.ensemble import lift
    from lira_jax.models import network
    from lira_jax.training import planning

    e = run.read_experiment()
    if e.models_per_chunk or run.read_plans() or e.recipe:
        return
    net = network.make(e, run_data.load_data(run, e))
    plan = planning.plan_by_rule(e, first, lift.mesh(), net.shapes)
    if lift.mesh().devices.flat[0].platform == "cpu" and (plan.strategy, plan.width) == (
        "vmap",
        first,
    ):
        _set([*sys.argv[1:], f"--models_per_chunk={first}"])


def _tell_expected(e: Experiment, network: "Network", dataset: Dataset, keep: np.ndarray) -> None:
    """How long it will take, before it begins."""
    from lira_jax.ensemble import hardware, lift
    from lira_jax.training import expected

    devices = lift.mesh()
    training = expected.seconds(e, network, dataset, keep, devices)
    rest = 10 + _SECONDS_PER_SCORE * keep.size
    note(
        f"expected: about {_in_words(training + rest)} on {hardware.describe(devices)}, of which "
        f"training takes {_in_words(training)}; a guess, which may be wrong by a factor of three"
    )


def _show_preview(run: RunDirectory, models: int, seconds: float) -> None:
    """What the first models say, as a preview; a note says why there is none."""
    from lira_jax.audit.preview import preview

    e = run.read_experiment()
    try:
        found = preview(run, range(models))
    except UserError as error:
        note(f"no preview: {error}")
        return
    if not found:
        return
    headline = wording.headline(found)
    auc = found[headline.attack].metrics["auc"]
    print(
        f"PREVIEW after {_in_words(seconds)}, of the first {models} of {e.num_models} models "
        f"alone, by {headline.attack} (AUC {auc.value:.3f}): {headline.sentence} With more shadow "
        "models the attack is stronger.",
        flush=True,
    )


def _in_words(seconds: float) -> str:
    from lira_jax.training import expected

    return expected.in_words(seconds)


def cli() -> None:
    flags.run("lira-audit", SUMMARY, SHOWN, main, complete)


if __name__ == "__main__":
    cli()
