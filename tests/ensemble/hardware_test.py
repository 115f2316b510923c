"""What is known of devices, of kinds that are not at hand."""

import types

import numpy as np
import pytest

from lira_jax.ensemble import hardware


def device(kind="cpu", platform="cpu", stats=None):
    return types.SimpleNamespace(
        device_kind=kind, platform=platform, memory_stats=lambda: stats, id=0
    )


def mesh(*devices):
    return types.SimpleNamespace(devices=np.array(devices, object), size=len(devices))


@pytest.mark.parametrize(
    ("kind", "tera"),
    [
        ("Tesla V100-SXM2-16GB", 125),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H200", 989),
        ("NVIDIA GH200 480GB", 989),
        ("NVIDIA B200", 2250),
        ("TPU v4", 275),
        ("TPU v4 lite", 138),
        ("TPU v5", 459),  # JAX's name for v5p
        ("TPU v5p", 459),
        ("TPU v5 lite", 197),
        ("TPU v5e", 197),
        ("TPU v6 lite", 918),
        ("TPU v6e", 918),
        ("NVIDIA GeForce RTX 4090", None),
        ("cpu", None),
    ],
)
def test_peaks_are_those_of_the_data_sheets_by_jaxs_names(kind, tera):
    found = hardware.peak_flops(device(kind, "gpu"))
    assert found == (None if tera is None else tera * 1e12)


def test_an_accelerators_memory_is_what_it_says_less_a_margin():
    gpu = device("NVIDIA H200", "gpu", {"bytes_limit": 100 * 2**30})
    assert 85 * 2**30 < hardware.usable_bytes(gpu) < 100 * 2**30


@pytest.fixture
def machine(monkeypatch):
    """Makes this a machine of 4 cores with so many kB available, in a cgroup with such files."""

    def make(available, **cgroup):
        files = {"/proc/meminfo": f"MemTotal: 99999999 kB\nMemAvailable: {available} kB\n"}
        files |= {f"/sys/fs/cgroup/memory.{n}": text for n, text in cgroup.items()}

        class Path:
            def __init__(self, name):
                self.name = name

            def read_text(self):
                if self.name not in files:
                    raise FileNotFoundError(self.name)
                return files[self.name]

        monkeypatch.setattr(hardware, "pathlib", types.SimpleNamespace(Path=Path))
        monkeypatch.setattr(hardware.os, "cpu_count", lambda: 4)
        monkeypatch.setattr(hardware, "cores", lambda: 4)
        monkeypatch.setattr(hardware.jax, "local_devices", lambda: [device()])

    return make


GIB = 2**30
KB = GIB // 1024


def test_a_cpu_has_what_the_kernel_calls_available(machine):
    machine(8 * KB)
    assert hardware.usable_bytes(device()) == int(0.9 * 8 * GIB)


@pytest.mark.parametrize(
    ("limit", "free"), [("max\n", 8), (f"{6 * GIB}\n", 5), (f"{100 * GIB}\n", 8)]
)
def test_a_container_has_no_more_than_its_limit_leaves(machine, limit, free):
    machine(8 * KB, max=limit, current=f"{GIB}\n")
    assert hardware.usable_bytes(device()) == int(0.9 * free * GIB)


def test_pinned_processes_and_virtual_devices_share_the_memory(machine, monkeypatch):
    machine(8 * KB)
    monkeypatch.setattr(hardware, "cores", lambda: 1)
    assert hardware.usable_bytes(device()) == int(0.9 * 2 * GIB)
    monkeypatch.setattr(hardware.jax, "local_devices", lambda: [device()] * 2)
    assert hardware.usable_bytes(device()) == int(0.9 * 1 * GIB)


def test_devices_in_words_tell_machines_of_other_sizes_apart(monkeypatch):
    gpu = device("NVIDIA H200", "gpu")
    assert hardware.describe(mesh(gpu)) == "NVIDIA H200"
    assert hardware.describe(mesh(*[gpu] * 8)) == "8 x NVIDIA H200"
    for cores, text in ((1, "cpu of 1 core"), (2, "cpu of 2 cores")):
        monkeypatch.setattr(hardware, "cores", lambda cores=cores: cores)
        assert hardware.describe(mesh(device())) == text


def test_a_training_is_expected_to_take_the_speed_of_all_cores_or_devices(monkeypatch):
    monkeypatch.setattr(hardware, "cores", lambda: 3)
    one = hardware.usual_flops(mesh(device()))
    assert hardware.usual_flops(mesh(device(), device())) == one  # virtual devices add no core
    monkeypatch.setattr(hardware, "cores", lambda: 6)
    assert hardware.usual_flops(mesh(device())) == 2 * one
    gpu = device("NVIDIA H200", "gpu")
    assert hardware.usual_flops(mesh(gpu, gpu)) == 2 * hardware.usual_flops(mesh(gpu))
