"""Starts JAX as training and scoring need it, whatever the environment says."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax

from lira_jax import progress
from lira_jax.errors import UserError

USUAL: dict[str, Any] = {
    # Numbers would depend on these, and so on who computes a model.
    "jax_enable_x64": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    # These find faults in a program, and take for one what is none, such as a model that diverges.
    "jax_numpy_rank_promotion": "allow",
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_debug_key_reuse": False,
    "jax_disable_jit": False,
    "jax_no_tracing": False,
    "jax_no_execution": False,
    "jax_transfer_guard": None,
    "jax_transfer_guard_host_to_device": None,
    "jax_transfer_guard_device_to_device": None,
    "jax_transfer_guard_device_to_host": None,
}
"""Settings of JAX, and the values that they must have here; versions of JAX may lack some."""


def set_usual(*, quiet: bool = False) -> dict[str, Any]:
    """Gives JAX its usual settings; a note names those that were others.

    Args:
      quiet: no note, where another process has written it.

    Returns:
      Those that were others, with their values.
    """
    others = {}
    for name, usual in USUAL.items():
        has = getattr(jax.config, name, usual)
        has = getattr(has, "value", has)
        if has != usual:
            others[name] = has
    if others and not quiet:
        named = ", ".join(f"{name.upper()}={value}" for name, value in others.items())
        progress.note(f"note: set aside, for results must not depend on it: {named}")
    for name in others:
        jax.config.update(name, USUAL[name])
    return others


@contextlib.contextmanager
def usual_settings() -> Iterator[None]:
    """In the block, JAX has its usual settings, as `set_usual` gives them."""
    others = set_usual()
    try:
        yield
    finally:
        for name, value in others.items():
            jax.config.update(name, value)


def check_devices() -> None:
    """Checks that there is a device.

    Raises:
      UserError: there is none of the platform that is asked for, or it cannot be used.
    """
    try:
        jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # of a missing CUDA plugin an assertion tells
        lines = str(error).splitlines()
        reason = f" ({lines[0]})" if lines else ""
        asked = getattr(jax.config, "jax_platforms", None)
        if asked:
            raise UserError(
                f"JAX_PLATFORMS={asked}: JAX finds no such device{reason}; unset it, or give "
                "JAX_PLATFORMS=cpu"
            ) from error
        raise UserError(f"JAX finds no device{reason}; JAX_PLATFORMS=cpu does without") from error
