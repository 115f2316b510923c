"""A labelled data set in memory: what every reader returns, and how it is checked and cut."""

import dataclasses
import hashlib

import numpy as np

from lira_jax.data.text import sequences
from lira_jax.data.text.tokenizers import Tokenizer
from lira_jax.errors import UserError

_LARGEST = 1e30
"""Beyond it float32 overflows when examples are scaled; it may well be a mark of missing values."""

_ALL_DIFFERENT = (
    "y has {n} different labels for {n} examples: it numbers the examples, or is a quantity; give "
    "class labels"
)

# Joined to the seed, so that the subset is drawn from a stream no other user of the same seed
# shares.
_SUBSET_STREAM = 0x5B5E7


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Examples that are in or out of training sets, and a test set that never is.

    Attributes:
      x: uint8 or float32, images [N, H, W, C] or features [N, D]; or int32 [N, L], token ids of
        text, -1 after the last. The N examples that carry a membership bit.
      y: int32 [N], labels in 0..num_classes - 1.
      x_test: [N_test, ...], dtype and trailing axes of x; only for accuracy. None if there is no
        test set.
      y_test: int32 [N_test], or None.
      num_classes: K; 0 asks `check` to find it.
      class_names: K names, or ().
      sources: int8 [N], where each example of x comes from: 0 the pool, 1, 2, ... kinds of outliers
        (outliers.py); None if none were put in.
      vocabulary: of text, the number of token ids; 0 for images and features.
      tokenizer: of text, what made the token ids and turns them back; None for other data.
      num_official: so many of x, the first, are the official training set, and the others are the
        test set, which x_test has as well (`joined`); 0 where x is the training set alone.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    num_classes: int = 0
    class_names: tuple[str, ...] = ()
    sources: np.ndarray | None = None
    vocabulary: int = 0
    tokenizer: Tokenizer | None = None
    num_official: int = 0

    @property
    def is_image(self) -> bool:
        """Whether x holds images [N, H, W, C]; else it holds features [N, D]."""
        return self.x.ndim == 4

    @property
    def unit(self) -> str:
        """What a model is given so many of a second, for the eye."""
        return "sequences" if self.is_text else "images"

    @property
    def is_text(self) -> bool:
        """Whether x holds token ids [N, L], whose labels are all 0."""
        return self.vocabulary > 0


def check(dataset: Dataset, source: str = "data set") -> Dataset:
    """Converts a reader's arrays to the types and shapes that `Dataset` promises.

    Examples: [N, H, W] gets a channel axis; bools and integers within 0..255 become uint8, other
    integers and all floats float32; values are never rescaled. Labels: integers, bools and whole
    floats become int32, [N, 1] becomes [N], and words become their places among class_names, or in
    the alphabet. Without num_classes or class_names, K is the largest label + 1; then label 0 and
    at least half of the K classes must occur, for a gap means labels that were not numbered from 0.

    Args:
      dataset: Arrays as read.
      source: What error messages begin with, such as "--data_path=/x/y.npz".

    Returns:
      The data set in the form `Dataset` describes.

    Raises:
      UserError: Empty, ragged, masked or misshapen arrays, NaN or infinite values, labels that are
        not whole numbers in 0..K-1, fewer than 2 classes, as many classes as examples, or train and
        test sets that do not fit together.
    """
    try:
        return _check(dataset)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def _check(dataset: Dataset) -> Dataset:
    if dataset.is_text:
        sequences.check(dataset.x, dataset.vocabulary, "x")
        if dataset.x_test is not None:
            sequences.check(dataset.x_test, dataset.vocabulary, "x_test", fewest=1)
        return dataset
    dataset = _numbered(dataset)
    x, y = _examples("x", dataset.x), _labels("y", dataset.y)
    _same_length("x", x, "y", y)
    x_test, y_test = dataset.x_test, dataset.y_test
    if (x_test is None) != (y_test is None):
        raise UserError(
            "a test set needs both x_test and y_test; add the missing one or leave out both"
        )
    if x_test is not None:
        x_test, y_test = _examples("x_test", x_test), _labels("y_test", y_test)
        _same_length("x_test", x_test, "y_test", y_test)
        if x.shape[1:] != x_test.shape[1:]:
            raise UserError(
                f"an example of x is {x.shape[1:]}, one of x_test {x_test.shape[1:]}; make them "
                "equal"
            )
        kinds = (as_array("x", dataset.x).dtype.kind, as_array("", dataset.x_test).dtype.kind)
        if (kinds[0] == "f") != (kinds[1] == "f"):
            raise UserError(
                "one of x and x_test holds integers, the other floats; save both on one scale"
            )
        if x.dtype != x_test.dtype:  # integers, and only one of the two fits in uint8
            x, x_test = x.astype(np.float32), x_test.astype(np.float32)

    present = np.unique(y)
    if len(present) < 2:
        raise UserError(f"all labels in y are {present[0]}; at least 2 classes are needed")
    num_classes = dataset.num_classes or len(dataset.class_names)
    if not num_classes:
        if len(present) == len(y):
            raise UserError(_ALL_DIFFERENT.format(n=len(y)))
        num_classes = 1 + int(max(y.max(), y_test.max() if y_test is not None else 0))
        if present[0] > 0:
            raise UserError(f"labels in y start at {present[0]}, not 0; save y - {present[0]}")
        if 2 * len(present) < num_classes:
            raise UserError(
                f"only {len(present)} of the labels 0..{num_classes - 1} occur in y; number the "
                "classes from 0, if they are classes"
            )
    if dataset.class_names and len(dataset.class_names) != num_classes:
        raise UserError(
            f"{len(dataset.class_names)} class names for {num_classes} classes; give one for each"
        )
    for name, labels in (("y", y), ("y_test", y_test)):
        if labels is not None and labels.max() >= num_classes:
            i = labels.argmax()
            raise UserError(
                f"{name}[{i}] is {labels[i]}, but {num_classes} classes have labels "
                f"0..{num_classes - 1}"
            )
    return Dataset(x, y, x_test, y_test, num_classes, tuple(dataset.class_names))


def _numbered(dataset: Dataset) -> Dataset:
    """The data with numbers for labels that are words.

    These are the words' places among class_names, or in the alphabet, and then class_names are the
    words.
    """
    given = {"y": dataset.y} | ({} if dataset.y_test is None else {"y_test": dataset.y_test})
    words = {name: as_array(name, labels) for name, labels in given.items()}
    if any(labels.dtype.kind not in "US" or not labels.size for labels in words.values()):
        return dataset
    for name, labels in words.items():
        flat = labels.ravel()
        decoded = (
            np.char.decode(flat, "utf-8", "backslashreplace") if flat.dtype.kind == "S" else flat
        )
        words[name] = decoded.astype(str)
    named = np.array(dataset.class_names or np.unique(words["y"]), str)
    if not dataset.class_names:
        if len(named) == len(words["y"]):
            raise UserError(_ALL_DIFFERENT.format(n=len(named)))
        if number := next(filter(_is_number, named), None):
            raise UserError(f"y holds numbers as text, such as '{number}'; save them as numbers")
    place = {name: i for i, name in enumerate(named.tolist())}
    for name, labels in words.items():
        if unknown := sorted(set(labels.tolist()) - set(place)):
            raise UserError(f"{name} has the label {unknown[0]!r}, which is none of the classes")
        words[name] = np.array([place[label] for label in labels.tolist()], np.int32)
    numbered = dataclasses.replace(dataset, y=words["y"], class_names=tuple(named.tolist()))
    return dataclasses.replace(numbered, y_test=words.get("y_test"))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def as_array(name: str, array) -> np.ndarray:
    """The array, as numpy has it.

    Raises:
      UserError: Rows of different lengths, or missing values of a masked array.
    """
    if isinstance(array, np.ma.MaskedArray) and np.ma.getmaskarray(array).any():
        raise UserError(f"{name} is a masked array with missing values; fill them in or drop them")
    try:
        found = np.asarray(array)
        if found.dtype == object and found.size:  # as pandas gives columns of text
            kinds = (str, (bool, int, float, np.number, np.bool_))
            if any(all(isinstance(v, kind) for v in found.flat) for kind in kinds):
                found = np.array(found.tolist())
        return found
    except ValueError:
        raise UserError(
            f"{name} holds rows of different lengths; make each as long as the others"
        ) from None


def _examples(name: str, array) -> np.ndarray:
    x = as_array(name, array)
    if x.dtype.kind not in "buif":
        raise UserError(f"{name} has dtype {x.dtype}; save it as numbers (uint8 or float32)")
    if x.ndim not in (2, 3, 4) or x.size == 0:
        raise UserError(
            f"{name} has shape {x.shape}; it must hold images [N, H, W, C] or features [N, D]"
        )
    if x.ndim == 4 and x.shape[1] in (1, 3, 4) and x.shape[2] == x.shape[3] > 4:
        raise UserError(
            f"{name} has shape {x.shape}, channels first; save {name}.transpose(0, 2, 3, 1)"
        )
    if x.ndim == 3:
        x = x[..., None]
    if x.dtype.kind == "b" or (x.dtype.kind in "ui" and x.min() >= 0 and x.max() <= 255):
        return np.ascontiguousarray(x, np.uint8)
    # A float64 beyond float32 becomes inf, which is reported below.
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(x, np.float32)
    fits = (np.abs(x) <= _LARGEST).reshape(len(x), -1).all(1)  # false of NaN
    if not fits.all():
        raise UserError(
            f"{name}[{fits.argmin()}] holds NaN, or a number beyond {_LARGEST:g}; repair or drop it"
        )
    return x


def _labels(name: str, array) -> np.ndarray:
    y = as_array(name, array)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise UserError(f"{name} has shape {y.shape}; it must hold one label an example, [N]")
    if y.size == 0:
        raise UserError(f"{name} is empty; at least 2 labelled examples are needed")
    if y.dtype.kind not in "buif" or (y.dtype.kind == "f" and not (y == np.floor(y)).all()):
        raise UserError(
            f"{name} holds labels that are not whole numbers (dtype {y.dtype}), such as "
            f"{_shown(y)}; number the classes from 0"
        )
    for extreme in (y.argmin(), y.argmax()):
        if not 0 <= y[extreme].item() < 2**31:  # as float16 it would overflow
            raise UserError(f"{name}[{extreme}] is {y[extreme]}; labels are numbered from 0")
    return np.ascontiguousarray(y, np.int32)


def _shown(y: np.ndarray) -> str:
    """The first label that is no whole number."""
    first = (y != np.floor(y)).argmax() if y.dtype.kind == "f" else 0
    return repr(y[first : first + 1].tolist()[0])[:40]


def _same_length(x_name: str, x: np.ndarray, y_name: str, y: np.ndarray) -> None:
    if len(x) != len(y):
        raise UserError(
            f"{x_name} has {len(x)} examples but {y_name} {len(y)} labels; one label an example "
            "is needed"
        )


def take(dataset: Dataset, index: np.ndarray) -> Dataset:
    """The data set with some examples of x alone, int64 [n] ascending, and its whole test set."""
    official = int(np.count_nonzero(np.asarray(index) < dataset.num_official))
    return dataclasses.replace(
        dataset, x=dataset.x[index], y=dataset.y[index], num_official=official
    )


def joined(dataset: Dataset) -> Dataset:
    """The data set with its test set after its training set, as the examples that are attacked.

    For membership as it is in published models: members are the official training set, non-members
    the test set (Rezaei and Liu 2021, https://arxiv.org/abs/2005.13702). The test set stays what
    accuracies are measured on.

    Raises:
      UserError: there is no test set, or sequences of the two have different lengths.
    """
    if dataset.x_test is None or dataset.y_test is None:
        raise UserError(
            "--masks=official: members are the training set and non-members the test set, and the "
            "data have none; add one (x_test, y_test), or take --masks=balanced"
        )
    if dataset.x.shape[1:] != dataset.x_test.shape[1:]:
        raise UserError(
            f"--masks=official: an example of the training set is {dataset.x.shape[1:]}, one of "
            f"the test set {dataset.x_test.shape[1:]}; make them equal, or take --masks=balanced"
        )
    return dataclasses.replace(
        dataset,
        x=np.concatenate([dataset.x, dataset.x_test]),
        y=np.concatenate([dataset.y, dataset.y_test]),
        num_official=len(dataset.x),
    )


def draw_subset(size: int, num_examples: int, seed: int) -> np.ndarray:
    """Draws some of so many examples without replacement.

    With one seed a smaller subset lies inside every larger one.

    Args:
      size: How many there are.
      num_examples: How many to draw.
      seed: 0 or more.

    Returns:
      int64 [num_examples], ascending.

    Raises:
      UserError: More examples than there are, fewer than 1, or a negative seed.
    """
    if not 1 <= num_examples <= size:
        raise UserError(
            f"--num_examples={num_examples}: the data set has {size}; ask for 1 to that many"
        )
    if seed < 0:
        raise UserError(f"--seed={seed}: a seed is 0 or more")
    order = np.random.default_rng([seed, _SUBSET_STREAM]).permutation(size)
    return np.sort(order[:num_examples])


def fingerprint(dataset: Dataset) -> str:
    """sha256 (hex) over names, dtypes, shapes and bytes of x, y, x_test and y_test."""
    digest = hashlib.sha256()
    for name in ("x", "y", "x_test", "y_test"):
        array = getattr(dataset, name)
        if array is None:
            digest.update(f"{name} absent\n".encode())
            continue
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
