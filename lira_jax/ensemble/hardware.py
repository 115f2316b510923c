"""What is known of the devices: how much memory there is, and how fast they could be."""

import contextlib
import os
import pathlib

import jax

_PEAK_BFLOAT16 = {
    "V100": 125e12,
    "A100": 312e12,
    "H100": 989e12,
    "H200": 989e12,
    "B200": 2250e12,
    "TPU v4": 275e12,
    "TPU v4 lite": 138e12,
    "TPU v5": 459e12,
    "TPU v5 lite": 197e12,
    "TPU v5e": 197e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
    "TPU v6e": 918e12,
}
"""Dense FLOP / s from the makers' data sheets (SXM versions); V100: float16.

JAX calls a v5p "TPU v5"; of names that begin alike the longest counts.
"""

_USUAL_CPU_CORE = 5e10
_USUAL_ACCELERATOR = 1e13
_USABLE = 0.9  # of the memory: what XLA does not count needs some


def peak_flops(device: jax.Device) -> float | None:
    """Dense bfloat16 FLOP / s of one device from its data sheet; None if unknown, as of a CPU."""
    kind = device.device_kind
    return next(
        (peak for name, peak in sorted(_PEAK_BFLOAT16.items(), reverse=True) if name in kind), None
    )


def usual_flops(devices: jax.sharding.Mesh) -> float:
    """FLOP / s that a training may reach, to an order of magnitude, before anything is measured.

    A CPU's is what networks reach on one core (docs/measurements); an accelerator's is a guess.
    """
    if devices.devices.flat[0].platform == "cpu":
        return _USUAL_CPU_CORE * cores()
    return _USUAL_ACCELERATOR * devices.size


def usable_bytes(device: jax.Device) -> int:
    """Bytes that a program on this device may take; on a CPU a device's part of what is free."""
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(_USABLE * stats["bytes_limit"])
    share = cores() / (os.cpu_count() or 1) / len(jax.local_devices())
    return int(_USABLE * share * _free_host_bytes())


def _free_host_bytes() -> int:
    """Free memory of this machine or container."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
        free = (
            int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
        )
    with contextlib.suppress(OSError, ValueError):  # absent, or "max"
        limit = int(pathlib.Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(pathlib.Path("/sys/fs/cgroup/memory.current").read_text())
        free = min(free, limit - used)
    return free


def describe(devices: jax.sharding.Mesh) -> str:
    """The devices in words, such as "8 x NVIDIA H200", or "cpu of 2 cores"."""
    device, number = devices.devices.flat[0], cores()
    text = f"{devices.size} x {device.device_kind}" if devices.size > 1 else device.device_kind
    if device.platform == "cpu":
        text += " of 1 core" if number == 1 else f" of {number} cores"
    return text


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
