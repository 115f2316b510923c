import ast
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from array_record.python import array_record_module as writers
from PIL import Image
from sklearn.datasets import load_digits

from lira_jax.data import load
from lira_jax.data.dataset import Dataset, check, fingerprint
from lira_jax.data.readers import tfds as reader
from lira_jax.data.readers.text import Settings
from lira_jax.errors import UserError

X = (load_digits().images[:30, ..., None] * 15).astype(np.uint8)
Y = load_digits().target[:30]
SPLITS = {"train": slice(0, 20), "extra": slice(20, 24), "test": slice(24, 30)}


def _png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(stream, "PNG")
    return stream.getvalue()


def _write_prepared(
    data_dir, images=X, supervised=True, file_format="array_record", names=("image", "label")
):
    """What tfds 4.9 leaves on disk after preparing TinyDigits, written without TensorFlow."""
    from tensorflow_datasets.proto import tf_example_pb2

    x_name, y_name = names
    folder = data_dir / "tiny_digits" / "1.0.0"
    folder.mkdir(parents=True)
    info = {"fileFormat": file_format, "name": "tiny_digits", "version": "1.0.0", "splits": []}
    for split, part in SPLITS.items():
        writer = writers.ArrayRecordWriter(
            str(folder / f"tiny_digits-{split}.array_record-00000-of-00001"), "group_size:1"
        )
        for image, label in zip(images[part], Y[part], strict=True):
            example = tf_example_pb2.Example()
            example.features.feature[x_name].bytes_list.value.append(_png(image))
            example.features.feature[y_name].int64_list.value.append(int(label))
            writer.write(example.SerializeToString())
        writer.close()
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        info["splits"].append(
            {
                "name": split,
                "shardLengths": [str(len(Y[part]))],
                "filepathTemplate": template,
                "numBytes": "1",
            }
        )
    if supervised:
        info["supervisedKeys"] = {
            "tuple": {"items": [{"featureKey": x_name}, {"featureKey": y_name}]}
        }
    (folder / "dataset_info.json").write_text(json.dumps(info))
    module = "tensorflow_datasets.core.features"
    shape = {"dimensions": ["-1", "-1", "1"]}
    features = {
        x_name: {
            "image": {"dtype": "uint8", "shape": shape},
            "pythonClassName": f"{module}.image_feature.Image",
        },
        y_name: {
            "classLabel": {"numClasses": "10"},
            "pythonClassName": f"{module}.class_label_feature.ClassLabel",
        },
    }
    class_name = f"{module}.features_dict.FeaturesDict"
    (folder / "features.json").write_text(
        json.dumps({"featuresDict": {"features": features}, "pythonClassName": class_name})
    )
    (folder / f"{y_name}.labels.txt").write_text("".join(f"digit {i}\n" for i in range(10)))
    return str(data_dir)


@pytest.fixture
def data_dir(tmp_path):
    return _write_prepared(tmp_path / "tfds")


def test_train_is_the_pool_and_test_the_test_set(data_dir):
    data = check(reader.read("tiny_digits", data_dir))
    np.testing.assert_array_equal(data.x, X[SPLITS["train"]])
    np.testing.assert_array_equal(data.y, Y[SPLITS["train"]])
    np.testing.assert_array_equal(data.x_test, X[SPLITS["test"]])
    np.testing.assert_array_equal(data.y_test, Y[SPLITS["test"]])
    assert data.class_names == tuple(f"digit {i}" for i in range(10))
    assert data.num_classes == 10


@pytest.mark.parametrize(
    ("splits", "test_splits", "pool", "test"),
    [
        ("train+extra", "", [*range(20), *range(20, 24)], range(24, 30)),
        ("test+train", "", [*range(24, 30), *range(20)], None),
        ("train+test[:50%]", "", [*range(20), *range(24, 27)], None),
        ("train[5:]", "train[:5]+extra", range(5, 20), [*range(5), *range(20, 24)]),
    ],
)
def test_splits_are_joined_in_the_order_given(data_dir, splits, test_splits, pool, test):
    data = reader.read("tiny_digits", data_dir, splits, test_splits)
    np.testing.assert_array_equal(data.x, X[list(pool)])
    np.testing.assert_array_equal(data.y, Y[list(pool)])
    if test is None:
        assert data.x_test is None
    else:
        np.testing.assert_array_equal(data.x_test, X[list(test)])
        np.testing.assert_array_equal(data.y_test, Y[list(test)])


def test_blocks_do_not_show(data_dir, monkeypatch):
    whole = fingerprint(check(reader.read("tiny_digits", data_dir)))
    monkeypatch.setattr(reader, "_RECORDS_AT_ONCE", 7)
    assert fingerprint(check(reader.read("tiny_digits", data_dir))) == whole


def test_image_and_label_are_the_names_without_supervised_keys(tmp_path):
    data = reader.read("tiny_digits", _write_prepared(tmp_path, supervised=False))
    np.testing.assert_array_equal(data.x, X[SPLITS["train"]])


def test_supervised_keys_name_what_is_read(tmp_path):
    data = reader.read("tiny_digits", _write_prepared(tmp_path, names=("scan", "digit")))
    np.testing.assert_array_equal(data.x, X[SPLITS["train"]])
    assert data.class_names[3] == "digit 3"


def _read_without_tensorflow(name, data_dir):
    """Reads a data set in a process where an import of TensorFlow fails, and returns its
    fingerprint."""
    script = f"""
        import sys

        from importlib.machinery import ModuleSpec

        class Block:
            # Lets anybody ask whether TensorFlow is there, and stops whoever imports it.
            def find_spec(self, name, path=None, target=None):
                return ModuleSpec(name, self) if name.partition(".")[0] == "tensorflow" else None

            def create_module(self, spec):
                raise AssertionError("reading imports TensorFlow")

            def exec_module(self, module):
                pass

        sys.meta_path.insert(0, Block())
        from lira_jax.data.dataset import fingerprint
        from lira_jax.data.load import load
        data = load("tfds:{name}", data_dir={str(data_dir)!r})
        assert "tensorflow" not in sys.modules
        print(fingerprint(data))
    """
    root = pathlib.Path(reader.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_reading_never_imports_tensorflow(data_dir):
    expected = Dataset(*(a[SPLITS[s]] for s in ("train", "test") for a in (X, Y)))
    assert _read_without_tensorflow("tiny_digits", data_dir) == fingerprint(check(expected))


@pytest.fixture
def no_tensorflow(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find(name)
    )


@pytest.mark.usefixtures("no_tensorflow")
def test_an_unprepared_set_is_told_with_the_command_that_prepares_it(tmp_path):
    with pytest.raises(
        UserError, match=r"^--dataset=tfds:mnist: not prepared in .*mnist.*; run: pip install"
    ) as error:
        reader.read("mnist", str(tmp_path))
    command = str(error.value).partition("python -c ")[2]
    assert "\n" not in str(error.value)
    call = ast.parse(ast.literal_eval(command)).body[1].value
    assert call.func.attr == "download_and_prepare"
    builder = call.func.value
    assert (
        ast.unparse(builder)
        == f"tfds.builder('mnist', data_dir={str(tmp_path)!r}, file_format='array_record')"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "^--dataset=tfds:mnits: Dataset mnits not found; see https"),
        ("mnist:9.9.9", r"^--dataset=tfds:mnist:9\.9\.9: .*cannot be loaded at version 9\.9\.9"),
        ("mnist/large", "^--dataset=tfds:mnist/large: "),
    ],
)
def test_unknown_names_are_told_in_one_line(tmp_path, name, message):
    with pytest.raises(UserError, match=message) as error:
        reader.read(name, str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("splits", "test_splits", "message"),
    [
        ("validation", "", "no split 'validation'; it has train, extra, test"),
        ("train+", "", "no split ''; it has"),
        ("train", "train", "train is in both --splits and --test_splits"),
        ("train[a:b]", "", r"cannot read 'train\[a:b\]'"),
        ("train[:0]", "", r"cannot read 'train\[:0\]'"),
    ],
)
def test_wrong_splits_are_told_in_one_line(data_dir, splits, test_splits, message):
    with pytest.raises(UserError, match=f"^--dataset=tfds:tiny_digits: {message}") as error:
        reader.read("tiny_digits", data_dir, splits, test_splits)
    assert "\n" not in str(error.value)


def test_images_of_several_sizes_are_refused(tmp_path):
    data_dir = _write_prepared(tmp_path, images=[*X[:29], X[29, :5]])
    with pytest.raises(UserError, match=r"examples of shapes \(5, 8, 1\) and \(8, 8, 1\);"):
        reader.read("tiny_digits", data_dir)


def test_a_missing_image_is_told(tmp_path):
    data_dir = _write_prepared(tmp_path, names=("scan", "digit"), supervised=False)
    with pytest.raises(
        UserError,
        match=r"neither text nor image and label in it \(it has: (digit, scan|scan, digit)\)",
    ):
        reader.read("tiny_digits", data_dir)


TEXTS = {"train": ["To be, or not\nto be", "that is", "caf\u00e9"], "test": ["the question"]}


def _write_texts(data_dir, supervised=True, encoding="utf-8"):
    """What tfds leaves on disk of a set of texts with labels."""
    from tensorflow_datasets.proto import tf_example_pb2

    folder = data_dir / "tiny_texts" / "1.0.0"
    folder.mkdir(parents=True)
    info = {"fileFormat": "array_record", "name": "tiny_texts", "version": "1.0.0", "splits": []}
    for split, texts in TEXTS.items():
        file = folder / f"tiny_texts-{split}.array_record-00000-of-00001"
        writer = writers.ArrayRecordWriter(str(file), "group_size:1")
        for text in texts:
            example = tf_example_pb2.Example()
            example.features.feature["text"].bytes_list.value.append(text.encode(encoding))
            example.features.feature["label"].int64_list.value.append(0)
            writer.write(example.SerializeToString())
        writer.close()
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        lengths = {"shardLengths": [str(len(texts))], "numBytes": "1"}
        info["splits"].append({"name": split, "filepathTemplate": template, **lengths})
    if supervised:
        items = [{"featureKey": "text"}, {"featureKey": "label"}]
        info["supervisedKeys"] = {"tuple": {"items": items}}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    module = "tensorflow_datasets.core.features"
    features = {
        "text": {"text": {}, "pythonClassName": f"{module}.text_feature.Text"},
        "label": {
            "classLabel": {"numClasses": "2"},
            "pythonClassName": f"{module}.class_label_feature.ClassLabel",
        },
    }
    name = f"{module}.features_dict.FeaturesDict"
    (folder / "features.json").write_text(
        json.dumps({"featuresDict": {"features": features}, "pythonClassName": name})
    )
    return str(data_dir)


@pytest.mark.parametrize("supervised", [True, False])
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ["To be, or not", "to be", "that is", "caf\u00e9"]),
        (Settings("document"), ["To be, or not\nto be", "that is", "caf\u00e9"]),
    ],
)
def test_texts_are_documents(tmp_path, supervised, settings, expected):
    folder = _write_texts(tmp_path, supervised)
    found = load.load("tfds:tiny_texts", data_dir=folder, as_tokens=settings)
    texts = [[found.tokenizer.decode(row[row >= 0]) for row in x] for x in (found.x, found.x_test)]
    assert texts == [expected, ["the question"]]
    assert found.is_text


def test_texts_of_another_encoding_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"^--dataset=tfds:tiny_texts: text is not UTF-8"):
        reader.read("tiny_texts", _write_texts(tmp_path, encoding="latin-1"))


def test_images_have_no_use_for_how_text_is_cut(data_dir):
    with pytest.raises(UserError, match=r"no text .*leave --unit, --tokenizer and --context"):
        load.load("tfds:tiny_digits", data_dir=data_dir, as_tokens=Settings("document"))


def test_a_damaged_file_is_told_in_one_line(data_dir):
    (file,) = pathlib.Path(data_dir).rglob("*-train.array_record*")
    file.write_bytes(file.read_bytes()[:-70000])
    with pytest.raises(UserError, match="cannot read 'train'") as error:
        reader.read("tiny_digits", data_dir)
    assert "\n" not in str(error.value)
    file.unlink()
    with pytest.raises(UserError, match="cannot read 'train'"):
        reader.read("tiny_digits", data_dir)


def test_a_set_prepared_in_another_format_is_told(tmp_path):
    with pytest.raises(UserError, match=r"tfrecord.*; give another --data_dir"):
        reader.read("tiny_digits", _write_prepared(tmp_path, file_format="tfrecord"))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        UserError, match="cannot import tensorflow_datasets; pip install tensorflow-datasets"
    ):
        reader.read("mnist")


def test_a_set_is_prepared_with_tensorflow_and_read_without(tmp_path):
    if not os.environ.get("LIRA_JAX_TENSORFLOW_INSTALLED"):  # where it is, this must not skip
        pytest.importorskip("tensorflow", reason="pip install -e '.[tfds]' for it")
    import tensorflow_datasets as tfds

    class LiraTinyDigits(tfds.core.GeneratorBasedBuilder):
        """Images of the digits."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(8, 8, 1)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager):
            return {name: self._generate_examples(part) for name, part in SPLITS.items()}

        def _generate_examples(self, part):
            for i in range(part.start, part.stop):
                yield i, {"image": X[i], "label": Y[i]}

    data = check(reader.read("lira_tiny_digits", str(tmp_path)))
    # tfds shuffles what it prepares.
    in_order = {image.tobytes(): label for image, label in zip(X, Y, strict=True)}
    assert len(data.x) == 20
    assert [in_order[image.tobytes()] for image in data.x] == data.y.tolist()
    assert {image.tobytes() for image in data.x_test} == {
        image.tobytes() for image in X[SPLITS["test"]]
    }
    assert _read_without_tensorflow("lira_tiny_digits", tmp_path) == fingerprint(data)
