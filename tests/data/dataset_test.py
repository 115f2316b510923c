import dataclasses
import hashlib

import numpy as np
import pytest

from lira_jax.data import dataset as datasets
from lira_jax.data.dataset import Dataset, check
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 4, 5, 3)).astype(np.uint8)
FEATURES = RNG.normal(size=(6, 7)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.int32)


@pytest.mark.parametrize(
    ("given", "dtype", "shape"),
    [
        (IMAGES, np.uint8, (6, 4, 5, 3)),
        (IMAGES.astype(np.int64), np.uint8, (6, 4, 5, 3)),
        (IMAGES.astype(np.float64) / 255, np.float32, (6, 4, 5, 3)),
        (IMAGES.astype(np.float16), np.float32, (6, 4, 5, 3)),
        (IMAGES[..., 0], np.uint8, (6, 4, 5, 1)),
        (IMAGES.astype(np.uint16) * 200, np.float32, (6, 4, 5, 3)),
        (FEATURES, np.float32, (6, 7)),
        (FEATURES.astype(">f8"), np.float32, (6, 7)),
        (FEATURES > 0, np.uint8, (6, 7)),
        (-FEATURES.astype(np.int8), np.float32, (6, 7)),
        (np.asfortranarray(FEATURES), np.float32, (6, 7)),
        (FEATURES.astype(object), np.float32, (6, 7)),
    ],
)
def test_examples_keep_their_values_in_the_promised_type(given, dtype, shape):
    data = check(Dataset(given, LABELS))
    assert data.x.dtype == dtype
    assert data.x.dtype.isnative
    assert data.x.flags.c_contiguous
    assert data.x.shape == shape
    assert data.is_image == (len(shape) == 4)
    np.testing.assert_array_equal(data.x, given.astype(np.float32).reshape(shape))


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.astype(np.uint8),
        LABELS.astype(">i8"),
        LABELS.astype(np.float64),
        LABELS[:, None],
        LABELS.tolist(),
        LABELS.astype(object),
    ],
)
def test_labels_become_int32(labels):
    data = check(Dataset(FEATURES, labels))
    assert data.y.dtype == np.int32
    np.testing.assert_array_equal(data.y, LABELS)
    assert data.num_classes == 3


@pytest.mark.parametrize("words", [["no", "yes"], [b"no", b"yes"], np.array(["no", "yes"], object)])
def test_words_become_their_places_in_the_alphabet_or_among_the_names(words):
    y = [words[i % 2] for i in range(6)]
    data = check(Dataset(FEATURES, y, FEATURES[:2], [words[1]] * 2))
    assert data.class_names == ("no", "yes")
    np.testing.assert_array_equal(data.y, [0, 1] * 3)
    np.testing.assert_array_equal(data.y_test, [1, 1])
    data = check(Dataset(FEATURES, y, class_names=("yes", "no", "perhaps")))
    np.testing.assert_array_equal(data.y, [1, 0] * 3)
    assert data.num_classes == 3


def test_a_masked_array_without_missing_values_is_an_array():
    np.testing.assert_array_equal(check(Dataset(np.ma.array(FEATURES), LABELS)).x, FEATURES)


def test_class_names_give_the_number_of_classes():
    data = check(Dataset(FEATURES, LABELS, class_names=("a", "b", "c", "absent")))
    assert data.num_classes == 4


def test_a_class_that_only_the_test_set_has_is_counted():
    data = check(Dataset(FEATURES, LABELS, FEATURES[:2], np.array([0, 3])))
    assert data.num_classes == 4


def test_integers_of_train_and_test_that_need_different_types_share_float32():
    data = check(Dataset(IMAGES, LABELS, IMAGES.astype(np.int32) + 1000, LABELS))
    assert data.x.dtype == data.x_test.dtype == np.float32
    np.testing.assert_array_equal(data.x_test - data.x, 1000)


def test_checking_twice_changes_nothing():
    once = check(
        Dataset(IMAGES[..., 0], LABELS, IMAGES[:2, ..., 0], LABELS[:2], class_names=("a", "b", "c"))
    )
    twice = check(once)
    assert datasets.fingerprint(once) == datasets.fingerprint(twice)
    assert (once.num_classes, once.class_names) == (twice.num_classes, twice.class_names)


def _with(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (dict(x=_with(FEATURES, (4, 2), np.nan)), r"x\[4\] holds NaN"),
        (dict(x=_with(FEATURES, (4, 2), -np.inf)), r"x\[4\] holds NaN"),
        (
            dict(x=_with(FEATURES.astype(np.float64), (5, 0), 1e300)),
            r"x\[5\] holds NaN, or a number beyond 1e\+30; repair",
        ),
        (dict(x=FEATURES.astype(complex)), "x has dtype complex128"),
        (dict(x=FEATURES.astype(str)), "x has dtype"),
        (dict(x=_with(FEATURES.astype(object), (0, 0), None)), "x has dtype object"),
        (dict(x=_with(FEATURES.astype(object), (0, 0), "1")), "x has dtype object"),
        (dict(x=FEATURES[:, 0]), r"x has shape \(6,\)"),
        (dict(x=FEATURES[:0]), r"x has shape \(0, 7\)"),
        (dict(x=FEATURES[:, :0]), r"x has shape \(6, 0\)"),
        (dict(x=IMAGES[None]), r"x has shape \(1, 6, 4, 5, 3\)"),
        (dict(x=np.zeros((6, 3, 32, 32))), r"channels first; save x.transpose\(0, 2, 3, 1\)"),
        (dict(y=LABELS[:5]), "x has 6 examples but y 5 labels"),
        (dict(y=LABELS[:0]), "y is empty"),
        (dict(y=np.eye(3)[LABELS]), r"y has shape \(6, 3\)"),
        (dict(y=LABELS + 0.5), "not whole numbers"),
        (dict(y=_with(LABELS.astype(float), 2, np.nan)), "not whole numbers"),
        (dict(y=LABELS.astype(str)), "y holds numbers as text, such as '0'; save them as numbers"),
        (dict(y=[f"row {i}" for i in range(6)]), "y has 6 different labels for 6 examples"),
        (dict(y=np.arange(6)), "y has 6 different labels for 6 examples: it numbers the examples"),
        (dict(y=_with(LABELS.astype(object), 0, None)), r"\(dtype object\), such as None;"),
        (dict(y=[0, [1], 2, 0, 1, 2]), "y holds rows of different lengths"),
        (dict(x=[[1, 2]] * 5 + [[1]]), "x holds rows of different lengths"),
        (dict(x=np.ma.masked_less(FEATURES, -1)), "x is a masked array with missing values"),
        (dict(y=np.ma.masked_equal(LABELS, 1)), "y is a masked array with missing values"),
        (dict(x=_with(FEATURES, (3, 0), 2e30)), r"x\[3\] holds NaN, or a number beyond 1e\+30"),
        (
            dict(y=["a", "b"] * 3, y_test=["a", "c"], x_test=FEATURES[:2]),
            "y_test has the label 'c'",
        ),
        (dict(y=[b"\xff", b"1"] * 3), "y holds numbers as text, such as '1'"),
        (dict(y=["a", "b"] * 3, class_names=("a", "x")), "y has the label 'b', which is none of"),
        (dict(y=["a", "b"] * 3, y_test=[0, 1], x_test=FEATURES[:2]), "y holds labels that are not"),
        (dict(y=_with(LABELS, 2, -1)), r"y\[2\] is -1"),
        (dict(y=_with(LABELS.astype(np.uint64), 2, 2**40)), r"y\[2\] is 1099511627776"),
        (dict(y=_with(LABELS.astype(float), 3, np.inf)), r"y\[3\] is inf"),
        (dict(y=LABELS + 1), "labels in y start at 1, not 0; save y - 1"),
        (dict(y=LABELS * 10), "only 3 of the labels 0..20 occur"),
        (dict(y=np.full(6, 4)), "all labels in y are 4"),
        (dict(num_classes=2), r"y\[2\] is 2, but 2 classes have labels 0..1"),
        (dict(num_classes=4, class_names=("a", "b", "c")), "3 class names for 4 classes"),
        (dict(x_test=FEATURES), "needs both x_test and y_test"),
        (dict(y_test=LABELS), "needs both x_test and y_test"),
        (
            dict(x_test=FEATURES[:, 1:], y_test=LABELS),
            r"an example of x is \(7,\), one of x_test \(6,\)",
        ),
        (dict(x_test=FEATURES, y_test=LABELS[1:]), "x_test has 6 examples but y_test 5"),
        (
            dict(x_test=FEATURES, y_test=LABELS + 5, num_classes=3),
            r"y_test\[2\] is 7, but 3 classes",
        ),
        (
            dict(x_test=np.zeros((6, 7), np.uint8), y_test=LABELS),
            "one of x and x_test holds integers",
        ),
        (dict(x_test=FEATURES[:0], y_test=LABELS[:0]), "x_test has shape"),
    ],
)
def test_unusable_arrays_are_named_in_one_line(arrays, message):
    data = dataclasses.replace(Dataset(FEATURES, LABELS), **arrays)
    with pytest.raises(UserError, match=message) as error:
        check(data, "--data_path=here")
    assert str(error.value).startswith("--data_path=here: ")
    assert "\n" not in str(error.value)


def test_images_whose_channels_differ_between_train_and_test_are_refused():
    with pytest.raises(
        UserError, match=r"an example of x is \(4, 5, 3\), one of x_test \(4, 5, 1\)"
    ):
        check(Dataset(IMAGES, LABELS, IMAGES[..., :1], LABELS))


def _numbered(n):
    return Dataset(np.arange(n)[:, None], np.arange(n), np.zeros((3, 1)), np.zeros(3))


def test_subset_is_without_replacement_and_in_order():
    part = datasets.take(_numbered(100), datasets.draw_subset(100, 30, seed=5))
    assert len(part.x) == 30
    assert (np.diff(part.y) > 0).all()
    np.testing.assert_array_equal(part.x[:, 0], part.y)
    assert len(part.x_test) == 3


def test_subset_of_everything_is_everything():
    np.testing.assert_array_equal(datasets.draw_subset(50, 50, seed=1), np.arange(50))


def test_smaller_subset_lies_inside_a_larger_one():
    small, large = (datasets.draw_subset(100, n, seed=3) for n in (10, 40))
    assert set(small) < set(large)


def test_subset_depends_on_the_seed_alone():
    first, again, other = (datasets.draw_subset(100, 50, seed=s) for s in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_subset_is_not_the_draw_of_another_user_of_the_seed():
    other = np.sort(np.random.default_rng(3).permutation(1000)[:500])
    ours = datasets.draw_subset(1000, 500, seed=3)
    # Independent halves share 250 on average, with a standard deviation of 8.
    assert abs(len(np.intersect1d(ours, other)) - 250) < 5 * 8


def test_every_example_is_drawn_equally_often():
    counts = sum(
        np.bincount(datasets.draw_subset(20, 5, seed=s), minlength=20) for s in range(2000)
    )
    # Each count is Binomial(2000, 1/4): standard deviation 19.4, and 20 of them stay within 4 of
    # it.
    assert np.abs(counts - 500).max() < 4 * 19.4


@pytest.mark.parametrize(
    ("num_examples", "seed", "flag"),
    [(101, 0, "--num_examples=101"), (-1, 0, "--num_examples=-1"), (10, -1, "--seed=-1")],
)
def test_impossible_subsets_are_refused(num_examples, seed, flag):
    with pytest.raises(UserError, match=flag):
        datasets.draw_subset(100, num_examples, seed)


def test_fingerprint_changes_with_every_part_and_only_then():
    data = check(Dataset(IMAGES, LABELS, IMAGES[:2], LABELS[:2]))
    changed = [
        data,
        dataclasses.replace(data, x=_with(data.x, (5, 3, 4, 2), data.x[5, 3, 4, 2] ^ 1)),
        dataclasses.replace(data, x=data.x.astype(np.float32)),
        dataclasses.replace(data, x=data.x.reshape(6, 5, 4, 3)),
        dataclasses.replace(data, y=data.y[::-1]),
        dataclasses.replace(data, x_test=data.x_test[::-1]),
        dataclasses.replace(data, y_test=data.y_test[::-1]),
        dataclasses.replace(data, x_test=None, y_test=None),
        dataclasses.replace(data, x=data.x_test, y=data.y_test, x_test=data.x, y_test=data.y),
    ]
    assert len({datasets.fingerprint(d) for d in changed}) == len(changed)
    assert datasets.fingerprint(data) == datasets.fingerprint(
        dataclasses.replace(data, x=np.asfortranarray(data.x))
    )


def test_fingerprint_is_sha256_of_headers_and_bytes():
    data = Dataset(np.arange(6, dtype=np.uint8).reshape(3, 2), np.array([0, 1, 0], np.int32))
    expected = hashlib.sha256(
        b"x |u1 (3, 2)\n"
        + bytes(range(6))
        + b"y <i4 (3,)\n"
        + b"\0\0\0\0"
        + b"\1\0\0\0"
        + b"\0\0\0\0"
        + b"x_test absent\ny_test absent\n"
    )
    assert datasets.fingerprint(data) == expected.hexdigest()
