"""The lines of metrics.jsonl: an object each, with the hash of the rest of it.

Of what they say, results.json and the page have accuracies and losses. A damaged line need not stop
anybody, for scores do not depend on it: it is passed over.
"""

import contextlib
import json
from typing import Any

from lira_jax.data.readers.reading import parse_json
from lira_jax.runs import files

_SHA256 = "sha256"
_WORDS = ("diverged", "learned_nothing")


def to_lines(records: list[dict]) -> str:
    """Text that ends with a line break."""
    return "".join(json.dumps({**r, _SHA256: files.sha256_of_json(r)}) + "\n" for r in records)


def from_lines(content: bytes) -> tuple[list[dict], int]:
    """The records, and how many lines are not as they were written.

    A line that is cut short, as by a kill, is passed over and not counted; so is what is no record.
    Lines of earlier versions have no hash.
    """
    found, changed = [], 0
    for line in content.split(b"\n"):
        with contextlib.suppress(ValueError):
            record = parse_json(line)
            digest = record.pop(_SHA256, None) if isinstance(record, dict) else None
            if digest is not None and digest != files.sha256_of_json(record):
                changed += 1
            elif _is_record(record):
                found.append(record)
    return found, changed


def _is_record(record: Any) -> bool:
    """Whether a line may be one of ours: of a model and epoch, with metrics."""
    if not isinstance(record, dict):
        return False
    counts = [record.get(name) for name in ("model", "epoch")]
    words = [record.get(name) for name in _WORDS]
    rest = [v for n, v in record.items() if n not in _WORDS]
    return (
        all(type(count) is int and count >= 0 for count in counts)
        and all(word is None or isinstance(word, str) for word in words)
        and all(v is None or isinstance(v, (int, float)) for v in rest)
    )
