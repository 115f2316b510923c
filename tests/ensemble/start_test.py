"""JAX computes the same whatever the environment says of it; without a device there is one line."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.ensemble import start
from lira_jax.errors import UserError

OTHERS = {
    "jax_enable_x64": True,
    "jax_numpy_dtype_promotion": "strict",
    "jax_default_prng_impl": "rbg",
    "jax_threefry_partitionable": False,
    "jax_random_seed_offset": 7,
    "jax_numpy_rank_promotion": "raise",
    "jax_debug_nans": True,
    "jax_disable_jit": True,
    "jax_transfer_guard_host_to_device": "disallow",
}


def values():
    found = {name: getattr(jax.config, name, usual) for name, usual in start.USUAL.items()}
    return {name: getattr(value, "value", value) for name, value in found.items()}


def computed():
    """Numbers that depend on all of the settings above, and an outer sum of other ranks."""
    noise = jax.random.normal(jax.random.key(3), (5, 7))
    return np.asarray(jax.jit(lambda x: jnp.log(-x * 0) + x + jnp.arange(7) / 3)(noise))


def test_the_table_has_what_jax_has_by_default():
    assert values() == start.USUAL


@pytest.mark.parametrize("name", OTHERS)
def test_another_setting_is_set_aside_aloud_and_comes_back(name, capsys):
    expected = computed()
    jax.config.update(name, OTHERS[name])
    try:
        with start.usual_settings():
            assert values() == start.USUAL
            np.testing.assert_array_equal(computed(), expected)
        assert values() == {**start.USUAL, name: OTHERS[name]}
        said = capsys.readouterr().err
        assert said == (
            f"note: set aside, for results must not depend on it: {name.upper()}={OTHERS[name]}\n"
        )
        assert start.set_usual(quiet=True) == {name: OTHERS[name]}
        assert capsys.readouterr().err == ""
    finally:
        jax.config.update(name, start.USUAL[name])


def test_settings_that_are_usual_are_not_mentioned(capsys):
    with start.usual_settings():
        pass
    assert capsys.readouterr().err == ""


def test_an_error_in_the_block_brings_the_settings_back():
    jax.config.update("jax_enable_x64", True)
    try:
        with pytest.raises(KeyError), start.usual_settings():
            raise KeyError
        assert jax.config.jax_enable_x64
    finally:
        jax.config.update("jax_enable_x64", False)


def test_here_there_is_a_device():
    start.check_devices()


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unable\nbackend 'cuda'")])
def test_without_a_device_the_error_is_one_line(error, monkeypatch):
    def fail():
        raise error

    monkeypatch.setattr(jax, "local_devices", fail)
    with pytest.raises(UserError, match=r"^JAX_PLATFORMS=cpu: JAX finds no such device") as caught:
        start.check_devices()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_platform_that_is_not_there_is_one_line_and_leaves_nothing(platform, tmp_path):
    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is a GPU")
    done = subprocess.run(
        [sys.executable, "-m", "lira_jax.cli.train", f"--workdir={tmp_path}/run", "--num_models=4"],
        env={**os.environ, "JAX_PLATFORMS": platform, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"lira-train: error: JAX_PLATFORMS={platform}: JAX finds no such device")
    assert line.endswith("; unset it, or give JAX_PLATFORMS=cpu")
    assert not (tmp_path / "run").exists()
