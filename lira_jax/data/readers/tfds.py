"""TensorFlow Datasets, read from array_record files without TensorFlow."""

import importlib.util
import platform
from collections.abc import Iterator

import numpy as np

from lira_jax.data.dataset import Dataset
from lira_jax.data.readers import text
from lira_jax.data.readers.reading import one_line
from lira_jax.errors import UserError

_RECORDS_AT_ONCE = 1024
_PACKAGES = "tensorflow-datasets array_record importlib_resources"
_TEXT = "text"


def read(
    name: str,
    data_dir: str = "",
    splits: str = "",
    test_splits: str = "",
    as_tokens: text.Settings | None = None,
) -> Dataset:
    """Reads a data set that tfds has prepared; one that is not prepared yet is, if TensorFlow is
    installed.

    Args:
      name: As tfds.builder takes it: NAME, NAME/CONFIG or NAME:VERSION.
      data_dir: Where tfds keeps its data sets; "" for its default, $TFDS_DATA_DIR or
        ~/tensorflow_datasets.
      splits: The splits that make up x, joined by "+", slices such as train[:50%] allowed; "" for
        train.
      test_splits: The same for x_test; "" for test, if there is one and `splits` does not use it.
      as_tokens: How text becomes sequences.

    Returns:
      x and y from the supervised keys of the data set (else image and label), class_names from its
      labels. Where the first of these is text, or there are none and a feature is called text,
      each text is a document (text.py).

    Raises:
      UserError: Unknown, unprepared without TensorFlow, a package or split missing, neither text
        nor image and label in it.
    """
    source = f"--dataset=tfds:{name}"
    try:
        import tensorflow_datasets as tfds

        builder = _builder(tfds, name, data_dir, source)
        if not builder.is_prepared():
            _prepare(builder, name, data_dir, source)
            builder = _builder(tfds, name, data_dir, source)
        return _read(builder, splits, test_splits, as_tokens or text.Settings(), source)
    except (
        ImportError
    ) as error:  # tfds imports most of its packages late, and does not require all of them
        raise UserError(
            f"{source}: cannot import {error.name or one_line(error)}; pip install {_PACKAGES}"
        ) from error


def _builder(tfds, name: str, data_dir: str, source: str):
    try:
        return tfds.builder(name, data_dir=data_dir or None, file_format="array_record")
    except ImportError:
        raise
    except Exception as error:  # unknown names, configs and versions, each with a type of its own
        reason = (
            str(error).strip().partition("\n")[0].rstrip(".")
        )  # the rest lists every data set there is
        fix = "see https://www.tensorflow.org/datasets/catalog"
        if (
            "file format" in reason.lower()
        ):  # prepared before, as tfrecord, which only TensorFlow can read
            fix = "give another --data_dir, to prepare it there as array_record"
        raise UserError(f"{source}: {reason}; {fix}") from error


def _prepare(builder, name: str, data_dir: str, source: str) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        tensorflow = "tensorflow-cpu" if platform.machine() == "x86_64" else "tensorflow"
        where = f"data_dir={data_dir!r}, " if data_dir else ""
        raise UserError(
            f"{source}: not prepared in {builder.data_dir}, and preparing needs TensorFlow; run: "
            f'pip install {tensorflow} && python -c "import tensorflow_datasets as '
            "tfds; "
            f"tfds.builder({name!r}, {where}file_format='array_record').download_and_prepare()\""
        )
    import tensorflow as tf

    try:
        tf.config.set_visible_devices([], "GPU")  # or it takes the memory that training needs
        builder.download_and_prepare()
    except Exception as error:
        raise UserError(
            f"{source}: preparing it failed: {type(error).__name__}: {one_line(error)}"
        ) from error


def _read(builder, splits: str, test_splits: str, as_tokens: text.Settings, source: str) -> Dataset:
    pool = (splits or "train").split("+")
    if test_splits:
        test = test_splits.split("+")
    else:
        test = ["test"] if "test" in builder.info.splits and "test" not in map(_whole, pool) else []
    shared = sorted(set(pool) & set(test))
    if shared:
        raise UserError(
            f"{source}: {shared[0]} is in both --splits and --test_splits; leave it out of one"
        )
    features, keys = builder.info.features, builder.info.supervised_keys
    if not (keys and len(keys) == 2 and all(isinstance(key, str) for key in keys)):
        keys = (_TEXT,) if _TEXT in features else ("image", "label")
    if keys[0] in features and _is_text(features[keys[0]]):
        documents = [_documents(builder, part, keys[0], source) for part in (pool, test)]
        return text.of_documents(documents[0], documents[1] if test else None, as_tokens, source)
    if as_tokens != text.Settings():
        raise UserError(
            f"{source}: it is no text (it has: {', '.join(features)}); leave --unit, --tokenizer "
            "and --context out"
        )
    if any(key not in features for key in keys):
        raise UserError(
            f"{source}: neither text nor image and label in it (it has: {', '.join(features)}); "
            "use --dataset=npz"
        )
    x, y = _arrays(builder, pool, keys, source)
    x_test, y_test = _arrays(builder, test, keys, source) if test else (None, None)
    names = tuple(getattr(features[keys[1]], "names", None) or ())
    return Dataset(x, y, x_test, y_test, class_names=names)


def _is_text(feature) -> bool:
    """Whether a feature is one string an example: Text, or a scalar of that type."""
    return getattr(feature, "shape", None) == () and feature.np_dtype == np.object_


def _whole(split: str) -> str:
    return split.partition("[")[0]  # train of train[:50%]


def _arrays(
    builder, splits: list[str], keys: tuple[str, str], source: str
) -> tuple[np.ndarray, np.ndarray]:
    x, y = [], []
    for record in _records(builder, splits, source):  # of which nothing else is kept
        x.append(np.asarray(record[keys[0]]))
        y.append(record[keys[1]])
    shapes = sorted({example.shape for example in x})
    if len(shapes) > 1:
        raise UserError(
            f"{source}: examples of shapes {shapes[0]} and {shapes[1]}; use a set with one shape"
        )
    return np.stack(x), np.asarray(y)


def _documents(builder, splits: list[str], key: str, source: str) -> list[str]:
    try:
        return [bytes(record[key]).decode() for record in _records(builder, splits, source)]
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: {key} is not UTF-8 ({error.reason}); use another set") from None


def _records(builder, splits: list[str], source: str) -> Iterator[dict]:
    for split in splits:
        if _whole(split) not in builder.info.splits:
            raise UserError(
                f"{source}: no split {split!r}; it has {', '.join(builder.info.splits)}"
            )
        try:
            records = builder.as_data_source(split)
            for start in range(0, len(records), _RECORDS_AT_ONCE):
                indices = list(range(start, min(start + _RECORDS_AT_ONCE, len(records))))
                yield from records.__getitems__(indices)
        except ImportError:
            raise
        except (
            Exception
        ) as error:  # a slice that does not parse or is empty, a file missing or damaged
            raise UserError(
                f"{source}: cannot read {split!r} ({one_line(error)}); correct the split or "
                "prepare it again"
            ) from error
