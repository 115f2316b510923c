import importlib.util
import io
import os
import pathlib
import pickle
import tarfile

import numpy as np
import pytest

from lira_jax.data.dataset import check
from lira_jax.data.readers import cifar
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
NUM = 4  # images a batch


def _planes(images):
    """[N, 32, 32, 3] -> [N, 3072], red plane first, as the authors describe their files."""
    return np.stack(
        [np.concatenate([image[:, :, c].ravel() for c in range(3)]) for image in images]
    )


def _batch(x, y, key="labels"):
    return {"data": _planes(x), key: [int(label) for label in y], "filenames": ["f.png"] * len(y)}


def _cifar10(x, y, x_test, y_test, names):
    """The files of cifar-10-batches-py."""
    parts = zip(np.split(x, 5), np.split(y, 5), strict=True)
    batches = {f"data_batch_{i}": _batch(*part) for i, part in enumerate(parts, 1)}
    return batches | {
        "test_batch": _batch(x_test, y_test),
        "batches.meta": {"label_names": [*map(str, names)]},
    }


def _cifar100(x, y, x_test, y_test, names):
    """The files of cifar-100-python; the coarse labels are there to be passed over."""
    train, test = _batch(x, y, "fine_labels"), _batch(x_test, y_test, "fine_labels")
    meta = {"fine_label_names": list(names), "coarse_label_names": ["c"] * 20}
    return {"train": train | {"coarse_labels": [0] * len(x)}, "test": test, "meta": meta}


def _arrays(num_classes):
    x, x_test = (RNG.integers(0, 256, (n, 32, 32, 3), np.uint8) for n in (5 * NUM, NUM))
    y, y_test = (RNG.integers(0, num_classes, n) for n in (5 * NUM, NUM))
    return x, y, x_test, y_test, [f"class {i}" for i in range(num_classes)]


SETS = pytest.mark.parametrize(
    ("read", "make", "folder", "num_classes"),
    [
        (cifar.read_cifar10, _cifar10, "cifar-10-batches-py", 10),
        (cifar.read_cifar100, _cifar100, "cifar-100-python", 100),
    ],
)


def _write(root, files, protocol=2):
    root.mkdir(parents=True)
    (root / "readme.html").write_text("not a pickle")
    for name, content in files.items():
        (root / name).write_bytes(pickle.dumps(content, protocol))
    return root


def _archive(root, path, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        archive.add(root, arcname=root.name)
    return path


def _assert_same(data, arrays):
    x, y, x_test, y_test, names = arrays
    data = check(data)
    for got, want in ((data.x, x), (data.y, y), (data.x_test, x_test), (data.y_test, y_test)):
        np.testing.assert_array_equal(got, want)
    assert data.class_names == tuple(names)
    assert data.num_classes == len(names)


@SETS
@pytest.mark.parametrize("protocol", range(6))
def test_folder_parent_and_archive_give_the_images(
    tmp_path, read, make, folder, num_classes, protocol
):
    arrays = _arrays(num_classes)
    root = _write(tmp_path / folder, make(*arrays), protocol)
    for path in (
        root,
        tmp_path,
        _archive(root, tmp_path / "a.tar.gz"),
        _archive(root, tmp_path / "a.tar", "w"),
    ):
        _assert_same(read(path), arrays)


@SETS
def test_names_in_bytes_give_the_images(tmp_path, read, make, folder, num_classes):
    """As files of Python 2 look after a round trip through Python 3 with encoding="bytes"."""
    arrays = _arrays(num_classes)

    def to_bytes(value):
        if isinstance(value, dict):
            return {to_bytes(k): to_bytes(v) for k, v in value.items()}
        if isinstance(value, list):
            return [to_bytes(v) for v in value]
        return value.encode() if isinstance(value, str) else value

    files = {name: to_bytes(content) for name, content in make(*arrays).items()}
    _assert_same(read(_write(tmp_path / folder, files)), arrays)


def test_an_archive_is_not_unpacked_to_disk(tmp_path):
    root = _write(tmp_path / "out" / "cifar-10-batches-py", _cifar10(*_arrays(10)))
    (tmp_path / "in").mkdir()
    path = _archive(root, tmp_path / "in" / "cifar-10-python.tar.gz")
    cifar.read_cifar10(path)
    assert os.listdir(tmp_path / "in") == [path.name]


class _Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_batch_that_would_run_a_command_is_refused(tmp_path):
    files = _cifar10(*_arrays(10))
    files["data_batch_3"]["data"] = _Malicious(tmp_path / "owned")
    root = _write(tmp_path / "cifar-10-batches-py", files)
    for path in (root, _archive(root, tmp_path / "a.tar.gz")):
        with pytest.raises(
            UserError, match=r"data_batch_3: refused, it asks to run (posix|nt)\.system"
        ):
            cifar.read_cifar10(path)
    assert not (tmp_path / "owned").exists()


def test_missing_files_are_named(tmp_path):
    files = _cifar10(*_arrays(10))
    del files["data_batch_2"], files["batches.meta"]
    root = _write(tmp_path / "cifar-10-batches-py", files)
    for path in (root, tmp_path, _archive(root, tmp_path / "a.tar.gz")):
        with pytest.raises(
            UserError, match=r"no data_batch_2, batches\.meta of cifar-10-batches-py in it"
        ):
            cifar.read_cifar10(path)


def test_the_other_cifar_is_told(tmp_path):
    root = _write(tmp_path / "cifar-100-python", _cifar100(*_arrays(100)))
    with pytest.raises(UserError, match=r"no data_batch_1, .* of cifar-10-batches-py in it"):
        cifar.read_cifar10(_archive(root, tmp_path / "a.tar.gz"))


def test_batches_without_labels_or_of_another_shape_are_named(tmp_path):
    files = _cifar10(*_arrays(10))
    files["data_batch_5"]["data"] = files["data_batch_5"]["data"][:, :3000]
    with pytest.raises(UserError, match=r"data_batch_5: 'data' is not uint8 \[N, 3072\]"):
        cifar.read_cifar10(_write(tmp_path / "shape", files))
    del files["data_batch_1"]["labels"]
    with pytest.raises(UserError, match="data_batch_1 has no array or list 'labels' in it"):
        cifar.read_cifar10(_write(tmp_path / "labels", files))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2], "data_batch_2: it has 4 images but 3 labels; get it again"),
        ([0, 1, 2, 3, 4], "data_batch_2: it has 4 images but 5 labels"),
        ([], "data_batch_2: its labels are no list of whole numbers|4 images but 0 labels"),
        ([0, 1, 2, [3]], "data_batch_2: the list of labels holds rows of different lengths"),
        ([[0], [1], [2], [3]], "data_batch_2: its labels are no list of whole numbers"),
        ([0, 1, 2, None], "data_batch_2: its labels are no list of whole numbers"),
        ([0, 1, 2, "3"], "data_batch_2: its labels are no list of whole numbers"),
        ([0, 1, 2, 3.5], "data_batch_2: its labels are no list of whole numbers"),
        ([0, 1, 2, -1], "data_batch_2: its labels are -1 to 2, but there are 10 class names"),
        ([0, 1, 2, 10], "data_batch_2: its labels are 0 to 10, but there are 10 class names"),
    ],
)
def test_labels_are_checked_batch_by_batch(tmp_path, labels, message):
    """What one batch has too few, the next has too many, so that all have the right number."""
    files = _cifar10(*_arrays(10))
    files["data_batch_2"]["labels"] = labels
    files["data_batch_3"]["labels"] += [0] * (NUM - len(labels))
    with pytest.raises(UserError, match=message) as error:
        cifar.read_cifar10(_write(tmp_path / "cifar-10-batches-py", files))
    assert "\n" not in str(error.value)


def test_ragged_images_are_named(tmp_path):
    files = _cifar10(*_arrays(10))
    files["test_batch"]["data"] = [[0] * 3072, [0] * 3071]
    with pytest.raises(UserError, match="test_batch: 'data' holds rows of different lengths"):
        cifar.read_cifar10(_write(tmp_path / "cifar-10-batches-py", files))


def test_truncated_archives_are_one_line(tmp_path):
    root = _write(tmp_path / "cifar-10-batches-py", _cifar10(*_arrays(10)))
    path = _archive(root, tmp_path / "a.tar.gz")
    whole = path.read_bytes()
    for length in (0, 1, 20, len(whole) // 3, len(whole) - 20, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="damaged, truncated or not of this format") as error:
            cifar.read_cifar10(path)
        assert "\n" not in str(error.value)


def test_links_in_an_archive_are_not_followed(tmp_path):
    files = {name: pickle.dumps(content) for name, content in _cifar10(*_arrays(10)).items()}
    (tmp_path / "secret").write_bytes(files.pop("test_batch"))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(member)
    with pytest.raises(UserError, match="no test_batch of"):
        cifar.read_cifar10(tmp_path / "a.tar")


def test_the_real_cifar10_comes_back_from_its_own_format(tmp_path):
    folder = pathlib.Path(os.environ.get("LIRA_JAX_REAL_DATA", ""))
    if "LIRA_JAX_REAL_DATA" not in os.environ or not (folder / "unpack.py").is_file():
        pytest.skip("LIRA_JAX_REAL_DATA names no folder with unpack.py and CIFAR-10 in it")
    spec = importlib.util.spec_from_file_location("unpack", folder / "unpack.py")
    unpack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unpack)
    real = unpack.load("cifar10")
    arrays = [real[name] for name in ("x_train", "y_train", "x_test", "y_test", "label_names")]
    data = cifar.read_cifar10(_write(tmp_path / "cifar-10-batches-py", _cifar10(*arrays)))
    _assert_same(data, arrays)
    assert data.x.shape == (50000, 32, 32, 3)
    np.testing.assert_array_equal(np.bincount(data.y), np.full(10, 5000))
    np.testing.assert_allclose(data.x.mean((0, 1, 2)), [125.3, 123.0, 113.9], atol=0.1)
