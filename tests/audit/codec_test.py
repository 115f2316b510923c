import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest

from lira_jax.audit import codec

FLAT = {"spread": dict, "gather": lambda row: {name: row[name] for name in ("x", "y")}}


@dataclasses.dataclass(frozen=True)
class Inner:
    number: float
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outer:
    count: int
    inner: Inner | None
    by_class: dict[int, Inner]
    ids: tuple[int | str, ...]
    flat: dict[str, float] = dataclasses.field(metadata=FLAT)
    anything: Any = None
    yes: bool = False


OUTER = Outer(3, Inner(0.5, ("a",)), {7: Inner(2.0)}, (1, "b"), {"x": 1.0, "y": 2.0}, [{}], True)
JSON = {
    "count": 3,
    "inner": {"number": 0.5, "names": ["a"]},
    "by_class": {"7": {"number": 2.0, "names": []}},
    "ids": [1, "b"],
    "x": 1.0,
    "y": 2.0,
    "anything": [{}],
    "yes": True,
}


def test_dataclasses_are_objects_and_come_back():
    assert codec.encode(OUTER) == JSON
    assert codec.decode(Outer, json.loads(json.dumps(JSON))) == OUTER


def test_numbers_of_numpy_are_numbers():
    numbers = {"a": np.float32(0.5), "b": np.int64(3), "c": np.float64(math.nan), "d": math.inf}
    assert json.dumps(codec.encode(numbers)) == '{"a": 0.5, "b": 3, "c": null, "d": null}'


def test_null_is_nan_where_a_number_is_due_and_none_where_it_may_be():
    assert math.isnan(codec.decode(float, None))
    assert codec.decode(Outer, {**JSON, "inner": None}).inner is None


def test_a_whole_number_is_a_number():
    found = codec.decode(float, 1)
    assert (found, type(found)) == (1.0, float)


def test_defaults_stand_for_what_is_missing():
    few = {name: value for name, value in JSON.items() if name not in ("anything", "yes")}
    assert codec.decode(Outer, few) == dataclasses.replace(OUTER, anything=None, yes=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "3"}, "count is '3', not a whole number"),
        ({"count": True}, "count is True, not a whole number"),
        ({"count": 1.5}, "count is 1.5, not a whole number"),
        ({"inner": []}, r"inner is \[\], not an object"),
        ({"inner": {}}, "inner.number is missing"),
        ({"inner": {"number": 1, "names": ["a", 2]}}, r"inner.names\[1\] is 2, not text"),
        ({"by_class": {"seven": {}}}, "by_class.seven: its name is not a whole number"),
        ({"by_class": {"7": {"number": "x"}}}, "by_class.7.number is 'x', not a number"),
        ({"ids": 3}, "ids is 3, not a list"),
        ({"ids": [1.5]}, r"ids\[0\] is 1.5, not text"),
        ({"yes": 1}, "yes is 1, not true or false"),
    ],
)
def test_json_of_something_else_is_named(change, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        codec.decode(Outer, {**JSON, **change})


def test_a_missing_flat_value_is_named():
    with pytest.raises(ValueError, match=r"^y is missing$"):
        codec.decode(Outer, {name: value for name, value in JSON.items() if name != "y"})
