"""Reads documents from files of text, and cuts them into the units that carry a membership bit."""

import pathlib
import re
from collections.abc import Iterator

import numpy as np

from lira_jax.data.readers import numpy_file
from lira_jax.data.readers.reading import open_plain_or_gzip, parse_json
from lira_jax.errors import UserError

_NAMES = (".txt", ".jsonl", ".txt.gz", ".jsonl.gz")
_BLANK_LINES = re.compile(r"\n[ \t\r]*\n\s*")
_TRAIN, _TEST = ("train", "text"), ("test", "valid")


def read(path: pathlib.Path) -> tuple[list[str], list[str] | None]:
    """The documents of the pool, and those of the test set or None.

    Args:
      path: a .txt (documents apart by blank lines; without any, one a line) or .jsonl (a document a
        line, its field `text`), plain or .gz; a folder of such files, or with train/ and test/, or
        with files whose names begin with train and test; or an .npz with UTF-8 bytes `train` (or
        `text`) and perhaps `test` (or `valid`), uint8 [bytes].

    Raises:
      UserError: there is no such file inside, or one is not what its name says.
    """
    if path.suffix == ".npz":
        return _of_npz(path)
    if path.is_file():
        return list(_of_file(path)), None
    files = sorted(f for f in path.rglob("*") if f.name.endswith(_NAMES) and f.is_file())
    if not files:
        raise UserError(f"no {', '.join(_NAMES)} file in {path}; give a folder or a file of text")

    def of(names: tuple[str, ...]) -> list[pathlib.Path]:
        return [f for f in files if str(f.relative_to(path)).lower().startswith(names)]

    tests = of(("test",))
    pool = of(("train",)) or [f for f in files if f not in tests]
    texts = [[text for file in group for text in _of_file(file)] for group in (pool, tests)]
    return texts[0], texts[1] if tests else None


def _of_npz(path: pathlib.Path) -> tuple[list[str], list[str] | None]:
    found = {}
    with numpy_file.told(f"--data_path={path}"), numpy_file.archive(path) as arrays:
        for kind, names in (("pool", _TRAIN), ("test", _TEST)):
            name = next((n for n in names if n in arrays), None)
            if name is None:
                continue
            array = arrays[name]()
            if array.dtype != np.uint8 or array.ndim != 1:
                raise UserError(
                    f"{name} is {array.dtype} {list(array.shape)}; save the text's UTF-8 bytes, "
                    "uint8 [bytes]"
                )
            found[kind] = list(_documents(array.tobytes().decode()))
    if "pool" not in found:
        raise UserError(f"there is no array {' or '.join(_TRAIN)}; save the text under this name")
    return found["pool"], found.get("test")


def _of_file(path: pathlib.Path) -> Iterator[str]:
    with open_plain_or_gzip(path) as file:
        text = file.read().decode("utf-8-sig")
    if ".jsonl" not in path.name:
        yield from _documents(text)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = parse_json(line)["text"]
        except (ValueError, KeyError, TypeError):
            document = None
        if not isinstance(document, str):
            raise UserError(
                f'{path.name}, line {number}: no JSON object with a string "text"; write one a line'
            )
        yield document


def _documents(text: str) -> Iterator[str]:
    text = text.replace("\r\n", "\n")
    apart = _BLANK_LINES.split(text)
    yield from apart if len(apart) > 1 else text.split("\n")


def lines(documents: list[str]) -> list[str]:
    """All lines of some documents, without the space around them."""
    return [line.strip() for document in documents for line in document.splitlines()]
