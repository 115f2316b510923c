"""Frozen dataclasses as JSON and back, by the types of their fields.

A field whose metadata has "spread" and "gather" lies flat beside the other fields of its object, as
the columns of a row do: spread makes a dictionary of the field's value, and gather makes what JSON
would hold of the value out of the object.
"""

import dataclasses
import math
import numbers
import types
import typing
from typing import Any

_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def encode(value: Any) -> Any:
    """A value as JSON has it: dataclasses as objects, tuples as lists, NaN and infinity as null."""
    if type(value) is float:  # nearly all there is
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        found: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            own = getattr(value, field.name)
            spread = field.metadata.get("spread")
            found |= encode(spread(own)) if spread else {field.name: encode(own)}
        return found
    if isinstance(value, dict):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    return value


def decode(kind: Any, value: Any, where: str = "") -> Any:
    """The value of a type that `encode` has made this JSON of; null is NaN where a number is due.

    Args:
      kind: a dataclass, float, int, str, bool, tuple[T, ...], dict[K, T], a union of these, Any.
      value: what json.loads gives.
      where: name of the value, for errors.

    Raises:
      ValueError: the JSON is of something else; the message names the field.
    """
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _object(kind, _expect(dict, value, where, "an object"), where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        items = _expect(list, value, where, "a list")
        return tuple(decode(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(items))
    if origin is dict:
        items = _expect(dict, value, where, "an object").items()
        return {
            _key(arguments[0], k, where): decode(arguments[1], v, _of(where, k)) for k, v in items
        }
    if origin in (types.UnionType, typing.Union):
        return _one_of(arguments, value, where)
    if kind is float and value is None:
        return math.nan
    allowed = (int, float) if kind is float else kind
    if isinstance(value, bool) and kind is not bool:
        raise ValueError(f"{where} is {value!r}, not {_WORDS[kind]}")
    return kind(_expect(allowed, value, where, _WORDS[kind]))


def _object(kind: Any, value: dict, where: str) -> Any:
    hints, given = typing.get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        gather = field.metadata.get("gather")
        try:
            own = gather(value) if gather else value[field.name]
        except KeyError as error:
            required = field.default is field.default_factory is dataclasses.MISSING
            if gather or required:
                raise ValueError(f"{_of(where, error.args[0])} is missing") from None
            continue
        inside = where if gather else _of(where, field.name)
        given[field.name] = decode(hints[field.name], own, inside)
    return kind(**given)


def _one_of(kinds: tuple, value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    *others, last = (kind for kind in kinds if kind is not type(None))
    for kind in others:
        if type(value) is kind:
            return value
    return decode(last, value, where)


def _key(kind: type, key: str, where: str) -> Any:
    try:
        return kind(key)
    except ValueError:
        raise ValueError(f"{_of(where, key)}: its name is not {_WORDS[kind]}") from None


def _expect(kind: type | tuple, value: Any, where: str, words: str) -> Any:
    if not isinstance(value, kind):
        shown = repr(value) if len(repr(value)) < 40 else f"a {type(value).__name__}"
        raise ValueError(f"{where or 'it'} is {shown}, not {words}")
    return value


def _of(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
