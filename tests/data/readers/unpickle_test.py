import contextlib
import functools
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lira_jax.data.readers import unpickle
from lira_jax.errors import UserError

CONTENT = {
    "data": np.arange(250, 256, dtype=np.uint8).reshape(2, 3),
    "labels": [3, 300],
    "batch_label": "caf\xe9",
    "filenames": ["a.png", "b.png"],
}

# CONTENT as Python 2.7.18 with numpy 1.16.6 wrote it: cPickle.dumps(CONTENT, protocol).
PYTHON2 = {
    0: b"(dp1\nS'batch_label'\np2\nS'caf\\xe9'\np3\nsS'labels'\np4\n(lp5\nI3\naI300\nasS'data'\np6\n"
    b"cnumpy.core.multiarray\n_reconstruct\np7\n(cnumpy\nndarray\np8\n(I0\ntS'b'\ntRp9\n(I1\n(I2\nI3\nt"
    b"cnumpy\ndtype\np10\n(S'u1'\nI0\nI1\ntRp11\n(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\n"
    b"S'\\xfa\\xfb\\xfc\\xfd\\xfe\\xff'\ntbsS'filenames'\np12\n(lp13\nS'a.png'\np14\naS'b.png'\np15\nas.",
    1: b"}q\x01(U\x0bbatch_labelq\x02U\x04caf\xe9q\x03U\x06labelsq\x04]q\x05(K\x03M,\x01eU\x04dataq\x06"
    b"cnumpy.core.multiarray\n_reconstruct\nq\x07(cnumpy\nndarray\nq\x08(K\x00tU\x01btRq\t(K\x01(K\x02K\x03t"
    b"cnumpy\ndtype\nq\n(U\x02u1K\x00K\x01tRq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    b"I00\nU\x06\xfa\xfb\xfc\xfd\xfe\xfftbU\tfilenamesq\x0c]q\r(U\x05a.pngq\x0eU\x05b.pngq\x0feu.",
    2: b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x04caf\xe9q\x03U\x06labelsq\x04]q\x05(K\x03M,\x01eU\x04data"
    b"q\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\t(K\x01K\x02K\x03"
    b"\x86cnumpy\ndtype\nq\nU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"
    b"tb\x89U\x06\xfa\xfb\xfc\xfd\xfe\xfftbU\tfilenamesq\x0c]q\r(U\x05a.pngq\x0eU\x05b.pngq\x0feu.",
}
# numpy.asfortranarray(numpy.arange(6).reshape(2, 3).astype(">i4")), protocol 2, the same way.
PYTHON2_FORTRAN = (
    b"\x80\x02}q\x01U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
    b"U\x01b\x87Rq\x05(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02i4K\x00K\x01\x87Rq\x07(K\x03U\x01>NNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x88U\x18\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x01"
    b"\x00\x00\x00\x04\x00\x00\x00\x02\x00\x00\x00\x05tbs."
)


def _assert_equal(got, want):
    assert got.keys() == want.keys()
    np.testing.assert_array_equal(got["data"], want["data"])
    assert got["data"].dtype == want["data"].dtype
    assert {k: v for k, v in got.items() if k != "data"} == {
        k: v for k, v in want.items() if k != "data"
    }


@pytest.mark.parametrize("protocol", PYTHON2)
def test_files_of_python_2_load(protocol):
    _assert_equal(unpickle.loads(PYTHON2[protocol], "f"), CONTENT)


def test_array_order_and_byte_order_of_python_2_are_kept():
    got = unpickle.loads(PYTHON2_FORTRAN, "f")["data"]
    np.testing.assert_array_equal(got, np.arange(6).reshape(2, 3))
    assert got.dtype == np.dtype(">i4")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_files_of_python_3_load(protocol):
    _assert_equal(unpickle.loads(pickle.dumps(CONTENT, protocol), "f"), CONTENT)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_names_in_bytes_become_text(protocol):
    """Python 2 files that Python 3 loaded with encoding="bytes" and saved again have keys in
    bytes."""
    content = pickle.loads(PYTHON2[2], encoding="bytes")
    got = unpickle.loads(pickle.dumps(content, protocol), "f")
    assert got.keys() == CONTENT.keys()
    np.testing.assert_array_equal(got["data"], CONTENT["data"])
    assert got["filenames"] == [b"a.png", b"b.png"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["u1", "i4", ">i8", "f4", "f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_as_they_were(protocol, dtype, order):
    array = np.random.default_rng(0).uniform(0, 9, (3, 4)).astype(dtype).copy(order)
    got = unpickle.loads(pickle.dumps({"data": array}, protocol), "f")["data"]
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype


def test_old_and_new_numpy_names_load():
    data = pickle.dumps(CONTENT, 2)
    assert b"numpy._core" in data
    _assert_equal(unpickle.loads(data.replace(b"numpy._core", b"numpy.core"), "f"), CONTENT)


class _Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


MARKER = "LIRA_JAX_UNPICKLE_TEST"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, (f"export {MARKER}=1",)),
        (eval, (f"__import__('os').environ.__setitem__({MARKER!r}, '1')",)),
        (exec, (f"import os; os.environ[{MARKER!r}] = '1'",)),
        (getattr, ("", "format")),
        (__import__, ("antigravity",)),
        (functools.partial, (os.putenv, MARKER, "1")),
        (np.load, ("x.npy",)),
        (np.frombuffer, (b"1",)),
        (type(os.environ), ({}, *(str,) * 4)),
    ],
)
def test_functions_are_refused_and_not_run(protocol, function, arguments):
    data = pickle.dumps({"data": _Call(function, *arguments)}, protocol)
    with pytest.raises(UserError, match=r"^f: refused, it asks to run ") as error:
        unpickle.loads(data, "f")
    assert "\n" not in str(error.value)
    assert MARKER not in os.environ


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # GLOBAL, as the oldest protocol writes it
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"cnumpy\nndarray.tofile\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"cbuiltins\neval\n.",
        b"c__builtin__\neval\n.",
        b"cposix\nsystem\n.",
    ],
)
def test_every_way_to_name_a_function_is_refused(data):
    with pytest.raises(UserError, match="refused, it asks to run"):
        unpickle.loads(data, "f")


def test_persistent_and_unknown_objects_are_refused():
    for data in (b"Pid\n.", b"\x82\x01."):
        with pytest.raises(UserError, match="damaged or not a pickle"):
            unpickle.loads(data, "f")


@pytest.mark.parametrize(
    "array", [np.array([{}, 1], object), np.array(["a"]), np.zeros(2, "M8[s]"), np.zeros(2, "V4")]
)
def test_arrays_of_anything_but_numbers_are_refused(array):
    with pytest.raises(UserError):
        unpickle.loads(pickle.dumps({"data": array}, 2), "f")


def test_a_pickle_cannot_change_the_classes_it_is_given():
    with pytest.raises(UserError):
        unpickle.loads(b"cnumpy\ndtype\n(N}S'resolve'\nI1\nstb.", "f")
    _assert_equal(unpickle.loads(pickle.dumps(CONTENT, 2), "f"), CONTENT)


def test_what_is_no_dictionary_is_refused():
    with pytest.raises(UserError, match="holds a list, not a dictionary"):
        unpickle.loads(pickle.dumps([1, 2]), "f")


@pytest.mark.parametrize(
    "data", [*PYTHON2.values(), pickle.dumps(CONTENT, 4), pickle.dumps(CONTENT, 5)]
)
def test_every_truncation_is_one_line(data):
    for length in range(len(data)):
        with pytest.raises(UserError, match=r"^f: ") as error:
            unpickle.loads(data[:length], "f")
        assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@given(st.sampled_from([*PYTHON2.values(), pickle.dumps(CONTENT, 4)]), st.data())
def test_damaged_bytes_raise_nothing_but_user_errors(data, draw):
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        damaged[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(UserError):
        unpickle.loads(bytes(damaged), "f")
