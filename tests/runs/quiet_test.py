"""What libraries say beside an error."""

import sys

import pytest
from absl import logging

from lira_jax.runs import quiet


def test_what_is_said_is_lost_with_a_block_that_fails(capsys):
    before = logging.get_verbosity()

    @quiet.unless_it_fails()
    def fail():
        print("Traceback", file=sys.stderr)
        logging.error("a library's own")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert capsys.readouterr().err == ""
    assert logging.get_verbosity() == before


def test_what_is_said_by_a_block_that_ends_well_is_seen(capsys):
    with quiet.unless_it_fails():
        print("a warning", file=sys.stderr)
    assert capsys.readouterr().err == "a warning\n"
