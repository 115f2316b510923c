"""Some examples of the pool, as a .npy file names them."""

import os
import pathlib

import numpy as np

from lira_jax.data.readers import numpy_file
from lira_jax.data.readers.reading import one_line, reading
from lira_jax.errors import UserError


def read_array(flag: str, path: str | os.PathLike) -> np.ndarray:
    """The array of a .npy file.

    Args:
      flag: with its value, for messages, such as --masks=file:keep.npy.

    Raises:
      UserError: there is none, or it is no .npy file.
    """
    file = pathlib.Path(os.path.expanduser(path))
    with reading(flag):
        if numpy_file.is_archive(file):
            raise UserError(f"{flag}: an .npz archive; save the array alone with numpy.save")
        try:
            return numpy_file.load(file)
        except ValueError as error:
            raise UserError(f"{flag}: not a .npy file ({one_line(error)})") from None


def named(flag: str, path: str | os.PathLike, num_examples: int) -> np.ndarray:
    """Which examples of the pool a .npy file names, bool [examples].

    The file holds bool [examples], or the examples' numbers, whole numbers from 0 in any order.

    Args:
      flag: as `read_array`.
      num_examples: of the pool.

    Raises:
      UserError: as `read_array`; it names none, or one that is not there, or one twice.
    """
    array = read_array(flag, path)
    if array.dtype == bool and array.shape == (num_examples,):
        found = array
    elif array.dtype.kind in "iu" and array.ndim == 1:
        outside = array[(array < 0) | (array >= num_examples)]
        if len(outside):
            raise UserError(
                f"{flag}: it names example {outside[0]}; the pool has 0 to {num_examples - 1}"
            )
        found = np.zeros(num_examples, bool)
        found[array] = True
        if found.sum() < len(array):
            raise UserError(f"{flag}: it names an example twice; name each once")
    else:
        raise UserError(
            f"{flag}: it holds {array.dtype} {array.shape}; it must be bool [examples], "
            f"({num_examples},) by the data, or the numbers of examples"
        )
    if not found.any():
        raise UserError(f"{flag}: it names no example")
    return found
