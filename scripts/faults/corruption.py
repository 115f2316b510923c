"""Files of a finished run are damaged; then all stages are run again."""

import pathlib
import shutil

from faults import damage
from faults.case import Case

FEW = 0.02  # of the cases also draw the page, which takes as long as eight others
ANOTHERS = "a file of another run"


def corrupt(case: Case) -> None:
    """Nothing is told but the right numbers or a line; and with the file restored, all is well."""
    chance, whole, work = case.chance, case.whole, case.work
    whole.copy(work)
    if chance.random() < 0.5:  # it is to be scored again
        for name in ("scores", "logits"):
            (work / name / f"{chance.randrange(4):04d}.npy").unlink()
    harmed = [_harm(case) for _ in range(chance.choice((1, 1, 1, 2)))]
    more = ("report",) if chance.random() < FEW else ()
    more += ("export",) if chance.random() < 0.1 else ()
    case.run(whole.line("status", work))
    said = case.finish(more=more)
    case.refused = bool(said)
    if said:
        case.words.append(f"said: {said}")
    if said and chance.random() < 0.5:
        for name in harmed:
            _restore(whole.path / name, work / name)
        if said := case.finish():
            case.fault("lost", f"with the files restored: {said}")


def _harm(case: Case) -> str:
    """Damages a file or folder; its name."""
    chance, work = case.chance, case.work
    if chance.random() < 0.15:
        return _replace(case)
    paths = sorted(p for p in work.rglob("*") if p.is_file() and not p.is_symlink())
    tops = [p for p in paths if p.parent == work]
    path = chance.choice(tops if chance.random() < 0.4 else paths)
    name = str(path.relative_to(work))
    way = damage.at_random(path, chance)
    case.words.append(f"{way.__name__} {name}")
    return name


def _replace(case: Case) -> str:
    """Puts something whole in the place of something else: of another model, or another run."""
    chance, work = case.chance, case.work
    one, two = chance.sample(range(4), 2)
    kind = chance.choice(("checkpoints/{:04d}", "scores/{:04d}.npy", "logits/{:04d}.npy", "top"))
    if kind == "top":
        name = chance.choice(
            ("keep.npy", "manifest.json", "experiment.json", "results.json", "attacks/phi.npy")
        )
        source = case.other.path / name
    else:
        name = kind.format(one)
        source = case.whole.path / kind.format(two)
        if chance.random() < 0.5:
            source = case.other.path / name
    case.words.append(f"{source} as {name}")
    _restore(source, work / name)
    return name


def _restore(source: pathlib.Path, to: pathlib.Path) -> None:
    if to.is_dir() and not to.is_symlink():
        shutil.rmtree(to)
    to.unlink(missing_ok=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to)
    else:
        shutil.copy2(source, to)
