"""Paths for libraries that take a path for a pattern or a URL."""

import atexit
import functools
import os
import pathlib
import re
import shutil
import tempfile

_SPECIAL = re.compile(r"[\[\]\\`\udc80-\udcff]|\w:/")
"""What tensorstore reads as part of a pattern or of an escape, and what begins a URL."""


def plain(folder: pathlib.Path) -> pathlib.Path:
    r"""The folder, by a path that tensorstore and orbax read as it is.

    They find no files again below a folder such as `br[1]` or `back\slash`, and cannot take a name
    that is not UTF-8. Such a folder gets a link in the temporary directory, which goes when the
    process ends.

    Args:
      folder: absolute.
    """
    if not _SPECIAL.search(str(folder)):
        return folder
    return _links() / _link(folder)


@functools.cache
def _links() -> pathlib.Path:
    links = tempfile.mkdtemp(prefix="lira_jax-")
    atexit.register(shutil.rmtree, links, ignore_errors=True)
    return pathlib.Path(links)


@functools.cache
def _link(folder: pathlib.Path) -> str:
    name = f"folder{len(os.listdir(_links()))}"
    os.symlink(folder, _links() / name)
    return name
