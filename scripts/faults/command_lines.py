"""Odd command lines: values of flags, names of files and folders, places where no run can be."""

import os
import pathlib
import shutil

from faults import template
from faults.case import Case
from lira_jax.cli import flags

ODD = (
    *("", "-1", "0", "1", "nan", "inf", "1e400", "99999999999999999999", "x", "é", "\udcff", ","),
    *(":", "0,0", "3:1", "::0", "..", "/dev/null", "/dev/zero", "/dev/stdin", "/proc/self"),
    *("~nosuchuser/x", "a" * 300, "a/" * 2500, "file:", "npz:", "tfds:", "os:system", "json:loads"),
    *("%s", "{0}", "true", "1,2", "0:2", "-0", "0x10", "1_0", " 1", "1;2"),
    *("pipe", "folder", "text"),
)
NAMES = (
    *("with space", "umlaut ä", "quo'te", 'quo"te', "hash#", "per%cent", "%s", "pi|pe", "sta*r"),
    *("quest?ion", "br[1]", "[", "back\\slash", "new\nline", "-dash", "~tilde", "$HOME", "{brace}"),
    *("co:lon", "com,ma", "semi;colon", "byte\udcff", "tab\t", "file:x", "s3:", "gs:", "..."),
)
"""Any of these may be the name of a run, of a data set or of results."""
PLACES = (
    *("/proc/x", "/proc/self/x", "/dev/null", "/dev/null/x", "/dev/zero", "/dev/stdin", "/sys/x"),
    *("x" * 256, "x/" * 2100, "file.txt", "file.txt/x", "pipe", "loop", "nothing/to/see"),
)
"""None of these can be."""
STAGES = ("status", "attack", "report", "export", "score", "train")
WEIGHTS = (5, 7, 1, 4, 3, 4)
_NOT_TRIED = {"helpfull", "help", "?", "h", "helpshort", "helpxml", "only_check_args"}


def odd_flags(case: Case) -> None:
    """A refused command changes nothing, and none but those that may do."""
    chance, whole, work = case.chance, case.whole, case.work
    whole.copy(work)
    _prepare(case.folder)
    before = template.numbers(work)
    stage = chance.choices(STAGES, WEIGHTS)[0]
    line = whole.line(stage, work)
    names = [name for name in flags.FLAGS if name not in _NOT_TRIED]
    for name in chance.sample(names, chance.choice((1, 1, 1, 2, 4))):
        line.append(f"--{name}={chance.choice(ODD)}")
    if chance.random() < 0.1:
        line.append(chance.choice(("--flagfile=text", "--nosuch=1", "word", "--", "-")))
        if chance.random() < 0.5:
            line[-1] = f"--flagfile={chance.choice(ODD)}"
    case.words.append(repr(line))
    (ended,) = case.run(line)
    case.refused = ended.status != 0
    inside = {n: h for n, h in template.numbers(work).items() if n in before}
    computed = {n: h for n, h in before.items() if not n.startswith(("attacks", "results", "expo"))}
    if case.refused and inside != before:
        case.fault("silent wrong", "it was refused, and has changed numbers")
    elif any(inside.get(name) != digest for name, digest in computed.items()):
        case.fault("silent wrong", "it has changed what models say")
    case.check_leftovers()


def odd_place(case: Case) -> None:
    """A run directory where none can be is told in a line, by each command."""
    chance = case.chance
    _prepare(case.folder)
    stage, place = chance.choice(STAGES), chance.choice(PLACES)
    line = case.whole.line(stage, place)
    flag = chance.choice(("workdir", "workdir", "out"))
    if flag == "out" and stage in ("attack", "report", "export"):
        case.whole.copy(case.work)
        line = [w for w in case.whole.line(stage, case.work) if not w.startswith("--out")]
        line.append(f"--out={place}")
    case.words.append(repr(line))
    (ended,) = case.run(line)
    case.refused = ended.status != 0
    (case.folder / "loop").unlink(missing_ok=True)
    case.check_leftovers()


def odd_name(case: Case) -> None:
    """A run, a data set, targets, shadows or results under an odd name are as under another."""
    chance, whole, folder = case.chance, case.whole, case.folder
    name = chance.choice(NAMES)
    place = folder / name / chance.choice(("run", "x"))
    place.parent.mkdir()
    kind = chance.choice(("workdir", "workdir", "train", "data", "targets", "shadows", "out"))
    case.words.append(f"{kind} below {name!r}")
    if kind in ("workdir", "train"):
        work = _relative(case, place)
        stages = ["train", "score", "attack", "export", "status"]
        if kind == "workdir":
            whole.copy(place)
            shutil.rmtree(place / "scores")
        lines = [whole.line(stage, work) for stage in stages]
    elif kind == "data":
        import numpy as np

        x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
        np.savez(f"{place}.npz", x=x, y=np.arange(60) % 3)
        data = ["--dataset=npz", f"--data_path={_relative(case, pathlib.Path(f'{place}.npz'))}"]
        whole.copy(place)  # is not used: names beside it
        own = ["--num_models=2", "--epochs=1", "--model=mlp", "--hidden=4", "--queries=1"]
        lines = [
            ["train", f"--workdir={folder}/new", *data, *own],
            ["score", f"--workdir={folder}/new"],
        ]
    else:
        whole.copy(case.work)
        given = {"out": [], "shadows": [], "targets": []}[kind]
        if kind == "out":
            given = [f"--out={_relative(case, place)}"]
        elif kind == "shadows":
            whole.copy(place)
            given = [f"--shadows={_relative(case, place)}", f"--out={folder}/results"]
        else:
            given = [f"--targets={_relative(case, place)}.npy", f"--out={folder}/results"]
            shutil.copy(whole.path / "logits/0000.npy", f"{place}.npy")
        lines = [[*whole.line("attack", case.work), *given]]
        if kind == "out":
            lines.append(["export", f"--workdir={case.work}", f"--out={place}.exp"])
    for ended in case.run(*lines):
        if ended.status:
            case.refused = True
            case.fault("lost", f"an odd name is refused by {ended.stage}: {ended.said[-800:]}")
    if kind in ("workdir", "train"):
        found = template.numbers(place)
        if found != whole.numbers:
            case.fault("silent wrong", "other numbers than under another name")
    case.check_leftovers()


def _relative(case: Case, path: pathlib.Path) -> str:
    """The path from the root or from the working directory, by chance."""
    return str(path if case.chance.random() < 0.5 else path.relative_to(case.folder))


def _prepare(folder: pathlib.Path) -> None:
    """What odd values may name."""
    (folder / "folder").mkdir()
    (folder / "text").write_bytes(b"--epochs=3\n\xff\n")
    (folder / "file.txt").write_text("text")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
