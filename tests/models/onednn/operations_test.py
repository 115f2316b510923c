"""What oneDNN computes, against loops and XLA, and how compiled programs call it."""

import concurrent.futures
import os
import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lira_jax.ensemble import chunks
from lira_jax.models import conv, layers
from lira_jax.models.onednn import ffi, operations

needs_onednn = pytest.mark.skipif(
    not operations.available(), reason="oneDNN comes with the extra onednn, on Linux x86-64"
)


def _random(*shape, seed=0, dtype="float32"):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def _gradients(x, kernel):
    def loss(x, kernel):
        return jnp.sin(conv.conv(x, kernel, 2, 1, form="onednn")).sum()

    return jax.value_and_grad(loss, (0, 1))(x, kernel)


def _same(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: bool((x == y).all()), a, b))


def _by_loops(x, kernel, dy, stride, pads, groups):
    """The convolution and its two gradients in float64, a kernel position and a group at a time."""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    y, dx, dk = np.zeros_like(dy), np.zeros_like(padded), np.zeros_like(kernel)
    (rows, columns), (height, width, channels, features) = dy.shape[1:3], kernel.shape
    for i in range(height):
        for j in range(width):
            at = np.s_[:, i : i + rows * stride : stride, j : j + columns * stride : stride]
            for g in range(groups):
                read = (*at, np.s_[g * channels : (g + 1) * channels])
                made = np.s_[..., g * features // groups : (g + 1) * features // groups]
                y[made] += padded[read] @ kernel[i, j][made]
                dx[read] += dy[made] @ kernel[i, j][made].T
                dk[i, j][made] = np.einsum("nhwc,nhwf->cf", padded[read], dy[made])
    (top, _), (left, _) = pads
    return y, dx[:, top : top + x.shape[1], left : left + x.shape[2]], dk


@needs_onednn
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("image", "size", "features", "stride", "pads", "groups"),
    [
        ((2, 9, 8, 3), (3, 3), 16, 1, ((1, 1), (1, 1)), 1),
        ((2, 8, 6, 16), (3, 3), 32, 2, ((0, 1), (0, 1)), 1),  # SAME of even sides
        ((2, 9, 7, 16), (3, 3), 5, 2, ((1, 1), (1, 1)), 1),
        ((1, 7, 9, 5), (5, 5), 7, 2, ((0, 0), (0, 0)), 1),  # VALID, the last row is not read
        ((3, 8, 8, 32), (1, 1), 16, 2, ((0, 0), (0, 0)), 1),
        ((2, 1, 1, 1), (1, 1), 1, 1, ((0, 0), (0, 0)), 1),
        ((2, 3, 2, 4), (7, 5), 6, 1, ((3, 3), (2, 2)), 1),  # the kernel is larger than the image
        ((1, 11, 4, 1), (11, 2), 3, 4, ((5, 5), (0, 1)), 1),
        ((2, 5, 6, 4), (3, 3), 6, 2, ((1, 1), (1, 1)), 2),
        ((2, 6, 5, 24), (3, 3), 24, 1, ((1, 1), (1, 1)), 24),
    ],
)
def test_convolutions_and_gradients_equal_loops(dtype, image, size, features, stride, pads, groups):
    x = _random(*image, dtype=dtype)
    kernel = _random(*size, image[3] // groups, features, seed=1, dtype=dtype)
    bias = _random(features, seed=2)
    sides = zip(image[1:3], size, pads, strict=True)
    rows, columns = ((n - k + sum(pad)) // stride + 1 for n, k, pad in sides)
    dy = _random(image[0], rows, columns, features, seed=3, dtype=dtype)
    plain = operations.Geometry(stride, pads, groups)
    y, dx, dk = _by_loops(*(np.asarray(a, np.float64) for a in (x, kernel, dy)), *plain[:3])
    before = y + np.asarray(bias)
    dbias = np.asarray(dy, np.float64).sum((0, 1, 2))

    def close(found, wanted):
        size = 1e-5 if found.dtype == jnp.float32 else 2**-7
        assert np.linalg.norm(np.asarray(found, np.float64) - wanted) <= (
            size * np.linalg.norm(wanted)
        )

    close(operations.conv(x, kernel, plain, dy), y)
    close(operations.image_gradient(x, kernel, dy, plain), dx)
    close(operations.kernel_gradient(x, kernel, dy, plain), dk)
    for slope in (0.0, 0.25):
        fused = plain._replace(slope=slope)
        after = np.where(before > 0, before, slope * before)
        close(operations.conv(x, kernel, fused, dy, bias), after)
        close(operations.image_gradient(x, kernel, dy, fused), dx)
        for found, wanted in zip(
            operations.kernel_gradient(x, kernel, dy, fused), (dk, dbias), strict=True
        ):
            close(found, wanted)


@needs_onednn
@pytest.mark.parametrize("slope", [0.0, 0.01])
def test_bias_and_relu_in_one_have_the_gradients_of_three_operations(slope):
    x, kernel, bias = _random(2, 5, 6, 3), _random(3, 3, 3, 8, seed=1), _random(8, seed=2)

    def of(form):
        def loss(*arguments):
            y = conv.conv_relu(*arguments, slope, 2, form=form)
            return jnp.sin(y).sum(), y

        return jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))(x, kernel, bias)

    for found, wanted in zip(*map(jax.tree.leaves, (of("onednn"), of("plain"))), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@needs_onednn
def test_a_model_has_the_same_bits_alone_under_vmap_and_in_loops():
    x, kernels = _random(2, 9, 8, 5), _random(3, 3, 3, 5, 7, seed=1)
    alone = [jax.jit(_gradients)(x, kernel) for kernel in kernels]
    alone = jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone)

    def scanned(kernels):
        return lax.scan(lambda count, kernel: (count + 1, _gradients(x, kernel)), 0, kernels)[1]

    def in_all_ways(kernels):
        many = jax.vmap(_gradients, (None, 0))
        return {
            "batched": jax.vmap(_gradients)(jnp.stack([x] * 3), kernels),
            "shared": many(x, kernels),
            "mapped": lax.map(lambda one: _gradients(x, one), kernels),
            "scanned": scanned(kernels),
            "scanned, two at a time": jax.vmap(scanned, out_axes=1)(jnp.stack([kernels] * 2)),
            "nested": jax.vmap(many, (0, None))(jnp.stack([x] * 2), kernels),
        }

    program = jax.jit(in_all_ways)
    found = program(kernels)
    assert _same(program(kernels), found)
    assert _same(jax.tree.map(lambda a: a[:, 1], found.pop("scanned, two at a time")), alone)
    assert _same(jax.tree.map(lambda a: a[1], found.pop("nested")), alone)
    for result in found.values():
        assert _same(result, alone)


@needs_onednn
@pytest.mark.parametrize(
    ("image", "kernel"),
    [((0, 4, 4, 2), (3, 3, 2, 3)), ((1, 2, 2, 2), (3, 3, 2, 3)), ((1, 4, 4, 2), (3, 3, 2, 0))],
)
def test_nothing_is_computed_of_nothing(image, kernel):
    def gradients(form):
        def loss(x, k):
            return conv.conv(x, k, padding="VALID", form=form).sum()

        return jax.grad(loss, (0, 1))(jnp.ones(image), jnp.ones(kernel))

    assert _same(gradients("onednn"), gradients("plain"))


@needs_onednn
@pytest.mark.parametrize(
    ("kernel", "dtype"), [((3, 3, 3, 3), "float32"), ((3, 3, 2, 3), "bfloat16")]
)
def test_what_does_not_fit_is_refused_as_by_xla(kernel, dtype):
    for form in ("plain", "onednn"):
        with pytest.raises((TypeError, ValueError)):
            conv.conv(jnp.ones((1, 4, 4, 2)), jnp.ones(kernel, dtype), form=form)


@needs_onednn
def test_threads_share_what_is_built():
    x, kernels = _random(4, 16, 16, 8), _random(8, 3, 3, 8, 8, seed=1)
    program = jax.jit(_gradients)
    wanted = [program(x, kernel) for kernel in kernels]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda kernel: program(x, kernel), kernels))
    assert _same(found, wanted)


@needs_onednn
def test_an_error_inside_is_an_error_of_the_program():
    x = _random(1, 4, 4, 1)
    with pytest.raises(jax.errors.JaxRuntimeError, match="not enough values"):
        jax.block_until_ready(operations._call(operations._like(x), x, key="forward nonsense"))


@needs_onednn
def test_memory_that_does_not_suffice_is_said_as_xla_says_it():
    def build(key):
        raise MemoryError(key)

    ffi.register("lira_jax_test_memory", build)
    x = _random(1, 4, 4, 1)
    call = jax.ffi.ffi_call("lira_jax_test_memory", operations._like(x))
    with pytest.raises((jax.errors.JaxRuntimeError, ValueError)) as raised:
        jax.block_until_ready(call(x, key="nonsense"))
    assert chunks.out_of_memory(raised.value)


@needs_onednn
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("models", [0, 3])
def test_batch_norm_and_relu_in_one(dtype, models):
    lead = (models,) if models else ()
    x, scale, bias = _random(*lead, 4, 5, 6, 7, dtype=dtype), _random(7, seed=1), _random(7, seed=2)
    weights = _random(4, 5, 6, 7, seed=3)

    def of(function):
        def loss(x, scale, bias):
            y, *statistics = function(x, scale, bias, 1e-5)
            return (weights * y.astype(jnp.float32) ** 2).sum(), (y, *statistics)

        gradients = jax.grad(loss, (0, 1, 2), has_aux=True)
        return jax.jit(jax.vmap(gradients, (0, None, None)) if models else gradients)

    found = of(layers._norm_relu)(x, scale, bias)
    wanted = of(layers._plain_norm_relu)(x, scale, bias)
    tolerance = {"float32": 1e-5, "bfloat16": 2e-2}[dtype]
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


class Small(nn.Module):
    form: str

    @nn.compact
    def __call__(self, x, train):
        x = layers.batch_norm_relu(train, jnp.float32, self.form)(x)
        return layers.batch_norm(train, jnp.float32)(x)


@needs_onednn
def test_a_network_keeps_the_names_and_running_statistics_of_flax():
    x = _random(8, 4, 4, 3)
    results = {}
    for form in ("plain", "onednn"):
        variables = Small(form).init(jax.random.key(0), x, train=False)
        assert sorted(variables["params"]) == ["BatchNorm_0", "BatchNorm_1"]
        results[form] = Small(form).apply(variables, x, train=True, mutable=["batch_stats"])
        results[form + ", evaluated"] = Small(form).apply(variables, x, train=False)
    for a, b in zip(*map(jax.tree.leaves, (results["plain"], results["onednn"])), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert _same(results["plain, evaluated"], results["onednn, evaluated"])
    starts = [Small(form).init(jax.random.key(0), x, train=True) for form in ("plain", "onednn")]
    assert _same(*starts)


# Two devices, threads, float64 beside float32, and a compilation cache; it ends while a program may
# still run.
OTHERWISE = """
import concurrent.futures, hashlib, sys
import jax, jax.numpy as jnp, numpy as np
from lira_jax.models import conv
from lira_jax.models.onednn import operations

hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
assert operations.available() and len(jax.devices()) == 2
rng = np.random.default_rng(0)
x, k = rng.normal(size=(8, 9, 8, 5)), rng.normal(size=(3, 3, 5, 7))

def gradients(form):
    loss = lambda x, k: jnp.sin(conv.conv(x, k, 2, form=form)).sum()
    return jax.jit(jax.value_and_grad(loss, (0, 1)))

program, exact = gradients("onednn"), gradients("plain")(x, k)
doubles = program(x, k)
assert doubles[0].dtype == jnp.float64 and abs(doubles[0] - exact[0]) < 1e-12

def on(number):
    place = jax.devices()[number % 2]
    return program(*(jax.device_put(a.astype(np.float32), place) for a in (x, k)))

with concurrent.futures.ThreadPoolExecutor(4) as pool:
    results = [jax.device_get(r) for r in pool.map(on, range(8))]
leaves = [jax.tree.leaves(r) for r in results]
assert all((a == b).all() for one in leaves for a, b in zip(one, leaves[0]))
assert leaves[0][0].dtype == np.float32 and abs(leaves[0][0] - exact[0]) < 1e-3
print(hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves[0])).hexdigest())
print(sum("cache_hit" in name for name in hits))
last = [on(n) for n in range(20)]
"""


@needs_onednn
@pytest.mark.slow
def test_in_other_processes_and_from_their_compilation_cache(tmp_path):
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "PYTHONPATH": ":".join(p for p in (".", *sys.path) if p),
    }
    said = []
    for _ in range(2):
        command = [sys.executable, "-c", OTHERWISE]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.split())
    (digest, _), (again, hits) = said
    assert digest == again
    assert int(hits) > 0


WITHOUT = """
import importlib.metadata
def none(name): raise importlib.metadata.PackageNotFoundError(name)
importlib.metadata.files = none
import jax.numpy as jnp
from lira_jax.models import conv
assert conv.usual_form() == "plain"
x, k = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 3))
assert (conv.conv(x, k, form="onednn") == conv.conv(x, k)).all()
"""


def test_without_the_library_convolutions_are_plain():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
