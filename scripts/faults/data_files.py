"""Damaged data sets of each format, and another tool's run directory that is damaged."""

import gzip
import pathlib
import pickle
import shutil
import struct
import sys
import tarfile

import numpy as np

from faults import commands, damage
from faults.case import Case
from lira_jax.data import load
from lira_jax.errors import UserError

SETS = {
    "x.npz": "npz",
    "packed.npz": "npz",
    "npy": "npy",
    "rows.csv": "tabular",
    "rows.csv.gz": "tabular",
    "rows.tgz": "tabular",
    "idx": "idx",
    "cifar-10-batches-py": "cifar10",
    "images": "folder",
    "texas": "tabular",
}
"""Name below the data's folder -> --dataset."""
CHECKED = ("x.npz", "packed.npz", "rows.csv.gz", "rows.tgz")
"""Of these the format has checksums, so what is read of damaged content is right or refused."""
ONLY_READ = 0.8
"""Share of the cases in which nothing is trained."""
RECIPE = (
    *("--num_models=2", "--model=mlp", "--hidden=4", "--epochs=1", "--strategy=loop"),
    *("--workers=1", "--queries=1"),
)


class Reading:
    """Stands for a command that reads a data set, and does nothing more."""

    @staticmethod
    def cli() -> None:
        try:
            load.load(*sys.argv[1:])
        except UserError as error:
            sys.exit(f"lira-read: error: {error}")


commands.MODULES["read"] = Reading


def bad_data(case: Case) -> None:
    """A damaged data set is refused in a line, or trained on and scored without a NaN."""
    chance, work = case.chance, case.work
    name = chance.choice(list(SETS))
    shutil.copytree(case.home / "data", case.folder / "data")
    path = case.folder / "data" / name
    paths = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    file = chance.choice(paths)
    if name.startswith("cifar") and chance.random() < 0.5:
        way = _other_batch(file, chance)
    else:
        way = damage.at_random(file, chance)
    case.words.append(f"{SETS[name]}: {way.__name__} {file.name}")
    if chance.random() < ONLY_READ:
        (ended,) = case.run(["read", SETS[name], str(path)])
        case.refused = bool(ended.status)
        return
    data = [f"--dataset={SETS[name]}", f"--data_path={path}"]
    line = ["train", f"--workdir={work}", *data, *RECIPE]
    (ended,) = case.run(line)
    case.refused = bool(ended.status)
    if case.refused:
        if work.exists():
            case.fault("leftover", f"{sorted(p.name for p in work.iterdir())} of a refused run")
        return
    for ended in case.run(["score", f"--workdir={work}"], ["attack", f"--workdir={work}"]):
        case.refused |= bool(ended.status)
    for scores in work.glob("scores/*.npy"):
        if not np.isfinite(np.load(scores)).all():
            case.fault("silent wrong", f"{scores.name} has NaN")
    if name in CHECKED and way in (damage.cut, damage.flip_a_bit, damage.overwrite):
        manifest, before = (p / "labels.npy" for p in (work, case.home / f"of_{name}"))
        if manifest.read_bytes() != before.read_bytes():
            case.fault("silent wrong", "other labels are read")
    case.check_leftovers()


def bad_dumps(case: Case) -> None:
    """Another tool's run directory, of which some files are damaged."""
    foreign = shutil.copytree(f"{case.whole.path}.out", case.work)
    paths = sorted(p for p in pathlib.Path(foreign).rglob("*") if p.is_file())
    for path in case.chance.sample(paths, case.chance.choice((1, 1, 2))):
        way = damage.at_random(path, case.chance)
        case.words.append(f"foreign: {way.__name__} {path.relative_to(foreign)}")
    line = ["attack", f"--workdir={case.work}", f"--out={case.folder}/out", "--attacks=loss,phi"]
    (ended,) = case.run(line)
    case.refused = bool(ended.status)
    case.check_leftovers()


def prepare(case: Case) -> None:
    """A small data set of each format, and what is read of those that are whole."""
    write(case.home / "data")
    for name in CHECKED:
        case.folder.mkdir(exist_ok=True)
        data = [f"--dataset={SETS[name]}", f"--data_path={case.home / 'data' / name}"]
        (ended,) = case.run(["train", f"--workdir={case.home / f'of_{name}'}", *data, *RECIPE])
        assert not ended.status, ended.said
        case.clean()


def write(folder: pathlib.Path) -> None:
    """Writes the data sets of `SETS`."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 6), dtype=np.uint8), np.arange(60) % 3
    images = rng.integers(0, 256, (60, 3072), dtype=np.uint8)
    for name in ("npy", "idx", "cifar-10-batches-py", "texas"):
        (folder / name).mkdir(parents=True)
    np.savez(folder / "x.npz", x=x, y=y)
    np.savez_compressed(folder / "packed.npz", x=x, y=y)
    np.save(folder / "npy/x.npy", x)
    np.save(folder / "npy/y.npy", y)
    rows = "".join(f"{k},{','.join(map(str, row))}\n" for k, row in zip(y, x, strict=True))
    (folder / "rows.csv").write_text(rows)
    (folder / "rows.csv.gz").write_bytes(gzip.compress(rows.encode()))
    with tarfile.open(folder / "rows.tgz", "w:gz") as archive:
        archive.add(folder / "rows.csv", "rows.csv")
    for name, array in (("images-idx3", images[:, :64].reshape(60, 8, 8)), ("labels-idx1", y)):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / f"idx/train-{name}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    (folder / "texas/feats").write_text("\n".join(",".join(map(str, row % 2)) for row in x))
    (folder / "texas/labels").write_text("\n".join(str(k + 1) for k in y))
    cifar = folder / "cifar-10-batches-py"
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {"data": images[:12], "labels": list(map(int, y[:12]))}
        (cifar / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = {"label_names": [f"c{k}" for k in range(10)]}
    (cifar / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    import PIL.Image

    for k in range(2):
        (folder / f"images/{k}").mkdir(parents=True)
        for i, kind in enumerate(("png", "jpg", "gif", "bmp", "tif", "webp")):
            image = PIL.Image.fromarray(images[i, :192].reshape(8, 8, 3))
            image.save(folder / f"images/{k}/{i}.{kind}")


def _other_batch(file: pathlib.Path, chance) -> damage.Way:
    """A pickle of another content: ragged lists, batches that are too short or of other kinds."""
    images = np.zeros((12, 3072), np.uint8)
    labels = [k % 3 for k in range(12)]
    contents = (
        {"data": [*images.tolist()[:3], [1, 2]], "labels": labels[:4]},
        {"data": [1, [2, 3]], "labels": [1, [2]]},
        {"data": images[:11], "labels": labels},
        {"data": images, "labels": labels[:11]},
        {"data": images, "labels": [*labels[:11], "x"]},
        {"data": images, "labels": [*labels[:11], None]},
        {"data": images, "labels": [*labels[:11], 10**30]},
        {"data": images, "labels": np.array(labels, float)},
        {"data": images[:0], "labels": []},
        {"data": images.astype(float), "labels": labels},
        {"data": b"x", "labels": b"y"},
        {"label_names": 5},
        {"label_names": ["a", ["b"]]},
        {"label_names": []},
        {"label_names": np.zeros((2, 2))},
        [1, 2],
        5,
        {},
    )
    file.write_bytes(pickle.dumps(chance.choice(contents), protocol=chance.choice((0, 2, 4))))
    return _other_batch
