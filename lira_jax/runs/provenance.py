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
    import jax  # here, so that the stages that only read files start without it

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
    here = pathlib.Path(__file__).parent
    commit = subprocess.run(
        ["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=40"],
        capture_output=True,
        text=True,
    )
    return {
        "versions": versions,
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "git_commit": commit.stdout.strip() or None,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
