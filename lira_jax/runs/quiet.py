"""Keeps what libraries say of an error that is told in a line."""

import contextlib
import io
import sys
import time
from collections.abc import Iterator

from absl import logging

_OTHERS = 0.2  # seconds in which a library's other threads say what they have to


@contextlib.contextmanager
def unless_it_fails() -> Iterator[None]:
    """In the block, libraries log nothing, and standard error waits: if the block fails it is lost.

    A full disk makes tensorstore and orbax write a traceback from each of their threads, beside the
    exception.
    """
    verbosity, said = logging.get_verbosity(), io.StringIO()
    logging.set_verbosity(logging.FATAL)
    try:
        with contextlib.redirect_stderr(said):
            try:
                yield
            except Exception:
                time.sleep(_OTHERS)
                raise
    finally:
        logging.set_verbosity(verbosity)
    sys.stderr.write(said.getvalue())
