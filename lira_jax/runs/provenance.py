"""What a run was made with: package versions, device and git commit."""

import contextlib
import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess


def provenance() -> dict:
    """Package versions, device and git commit, for the record."""
    versions = {"python": platform.python_version()}
    for package in (
        "lira_jax",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "orbax-checkpoint",
        "numpy",
        "scipy",
    ):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "versions": versions,
        "device": _device(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "git_commit": _git_commit(),
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _device() -> str | None:
    """The devices of this process; None if JAX finds none of the platform that it is asked for."""
    import jax  # here, so that the stages that only read files start without it

    with contextlib.suppress(RuntimeError, AssertionError):
        return f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return None


def _git_commit() -> str | None:
    """The commit of lira_jax, with -dirty after local changes; None outside a checkout of it.

    A repository may also surround an installed package, which it does not track.
    """
    here = pathlib.Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    with contextlib.suppress(OSError):  # there is no git
        if git("ls-files", here.name):
            return git("describe", "--always", "--dirty", "--abbrev=40") or None
    return None
