"""Four virtual CPU devices for every test, and compiled programs shared between tests."""

import os
import pathlib
import tempfile

import hypothesis

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

_cache = pathlib.Path(tempfile.gettempdir()) / f"lira_jax_test_cache_{os.getuid()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

# A machine at other work is slow, which is no fault of what is tested.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")
