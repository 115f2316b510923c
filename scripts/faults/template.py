"""Small finished runs that each case takes a copy of, and what a run is compared with.

Models are trained by --strategy=loop, so that a run that goes on is the same to the bit.
"""

import dataclasses
import pathlib
import shutil

from faults import commands
from lira_jax.runs import files

RECIPE = (
    *("--dataset=digits", "--num_examples=60", "--num_models=4", "--model=mlp", "--hidden=8"),
    *("--epochs=30", "--checkpoint_every=15", "--batch_size=30", "--learning_rate=0.3"),
    *("--augment=mirror", "--queries=2", "--strategy=loop", "--workers=1"),
)
ATTACKS = "--attacks=loss,phi"
STAGES = ("train", "score", "attack", "report", "export")


@dataclasses.dataclass(frozen=True)
class Template:
    """A finished run.

    Attributes:
      path: of it; PATH.half is the same when two of its four models were trained.
      recipe: the flags of lira-train.
      numbers: hashes of all that it has computed.
      seconds: stage -> how long it takes; of training, the second half.
    """

    path: pathlib.Path
    recipe: tuple[str, ...]
    numbers: dict[str, str]
    seconds: dict[str, float]

    def copy(self, to: pathlib.Path) -> pathlib.Path:
        """A copy of the run."""
        return pathlib.Path(shutil.copytree(self.path, to, symlinks=True))

    def line(self, stage: str, workdir: pathlib.Path | str) -> list[str]:
        """The command line of a stage, as if the run was begun with it."""
        more = {"train": self.recipe, "attack": [ATTACKS], "export": [f"--out={workdir}.out"]}
        return [stage, f"--workdir={workdir}", *more.get(stage, [])]


def make(
    path: pathlib.Path, log: pathlib.Path, *more: str, stages: tuple[str, ...] = STAGES
) -> Template:
    """Makes a run by some stages, each in a process of its own."""
    template = Template(path, (*RECIPE, *more), {}, {})
    half = [*template.line("train", path), "--model_ids=0:2"]
    (ended,) = commands.run(half, log=log, folder=path.parent)
    assert ended.status == 0, ended.said
    shutil.copytree(path, f"{path}.half")
    for stage in stages:
        (ended,) = commands.run(template.line(stage, path), log=log, folder=path.parent)
        assert ended.status == 0, ended.said
        template.seconds[stage] = ended.seconds
    template.numbers.update(numbers(path))
    return template


def numbers(workdir: pathlib.Path) -> dict[str, str]:
    """File -> hash, of all arrays and results of a run."""
    found = [*workdir.rglob("*.npy"), *workdir.glob("results.*")]
    return {str(p.relative_to(workdir)): files.sha256(p) for p in sorted(found) if p.name[0] != "."}


def leftovers(*folders: pathlib.Path) -> list[str]:
    """Temporary files, and claims and links of processes that are gone."""
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            if files.writer_of(path) or path.name.startswith("lira_jax-"):
                found.append(str(path.relative_to(folder)))
    return found
