"""The lines of metrics.jsonl."""

import pytest

from lira_jax.runs import records

FULL = {"model": 3, "epoch": 20, "loss": 0.1 + 0.2, "test_accuracy": None, "diverged": "its é"}


def test_records_come_back():
    few = [FULL, {"model": 0, "epoch": 1, "speed": 1e300}, {"model": 1, "epoch": 2}]
    assert records.from_lines(records.to_lines(few).encode()) == (few, 0)
    assert records.from_lines(b"") == ([], 0)


def test_no_changed_byte_changes_a_number():
    line = records.to_lines([FULL]).encode()
    for place in range(len(line) - 1):
        for bit in (1, 2, 16):
            changed = line[:place] + bytes([line[place] ^ bit]) + line[place + 1 :]
            assert records.from_lines(changed)[0] in ([], [FULL])
    assert records.from_lines(line.replace(b"20", b"21")) == ([], 1)


@pytest.mark.parametrize("line", ['{"model": 1, "epoch": 2, "loss": 3.5}', '{"model":1,"epoch":2}'])
def test_lines_of_earlier_versions_are_read(line):
    found, changed = records.from_lines(line.encode())
    assert (found[0]["model"], found[0]["epoch"], changed) == (1, 2, 0)
    assert records.from_lines(line[:-4].encode()) == ([], 0)
