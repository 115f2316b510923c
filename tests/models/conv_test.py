"""Every batching form of the convolution against the plain one, and the plain one against loops."""

import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from lira_jax.errors import UserError
from lira_jax.models.conv import FORMS, Conv, conv, windows

MODELS = 3
OTHERS = [form for form in FORMS if form != "plain"]
# oneDNN has a test of its own on sizes, strides and paddings; without vmap the others are as plain.
OF_MANY = [form for form in FORMS if form != "onednn"]
OF_ONE = ["plain", "shifted", "patches"]
STRIDES_AND_PADDINGS = {
    1: [(1, "SAME"), (2, "VALID")],
    3: [(1, "SAME"), (1, "VALID"), (2, "SAME"), (2, "VALID")],
    5: [(1, "VALID"), (2, "SAME")],
    7: [(2, "SAME")],
}


def _run(function, *arguments):
    """Compiles cheaply: these programs run once."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})(*arguments)


def _case(size, *, models=0, groups=1, dtype="float32"):
    """An image and a kernel of odd and unequal sides, and a function that weighs every output."""
    rng = np.random.default_rng(size)
    lead = (models,) if models else ()
    x = jnp.asarray(rng.normal(size=(*lead, 2, 9, 8, 4)), dtype)
    kernel = jnp.asarray(rng.normal(size=(*lead, size, size, 4 // groups, 6)) / size, dtype)
    return x, kernel


def _value_and_gradients(x, kernel, **options):
    """The convolution of one model, and gradients of a nonlinear function of it: dy is its own."""

    def loss(x, kernel):
        y = conv(x, kernel, **options)
        weights = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape)
        return (weights * y.astype(jnp.float32) ** 2).sum(), y

    (_, y), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(x, kernel)
    return y, *gradients


def _of(form, vmap=(), **options):
    """`_value_and_gradients` with its options, under one vmap for each entry of `vmap`."""
    function = functools.partial(_value_and_gradients, form=form, **options)
    for axes in vmap:
        function = jax.vmap(function, axes)
    return function


def _assert_same(found, wanted, tolerance):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.shape == b.shape
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


def _naive(x, kernel, stride, pads, groups):
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    height, width, channels, features = kernel.shape
    rows, columns = (x.shape[1] - height) // stride + 1, (x.shape[2] - width) // stride + 1
    y = np.zeros((x.shape[0], rows, columns, features))
    for n in range(x.shape[0]):
        for i in range(rows):
            for j in range(columns):
                for f in range(features):
                    group = f // (features // groups)
                    part = x[n, i * stride : i * stride + height, j * stride : j * stride + width]
                    part = part[..., group * channels : (group + 1) * channels]
                    y[n, i, j, f] = (part * kernel[..., f]).sum()
    return y


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("size", "stride", "padding", "pads", "groups"),
    [
        (3, 1, "SAME", ((1, 1), (1, 1)), 1),
        (3, 2, "SAME", ((1, 1), (0, 1)), 1),  # ceil(9 / 2) = 5 rows, ceil(8 / 2) = 4 columns
        (5, 2, "VALID", ((0, 0), (0, 0)), 2),
        (3, 2, 1, ((1, 1), (1, 1)), 4 // 2),
    ],
)
def test_convolution_equals_loops(form, size, stride, padding, pads, groups):
    x, kernel = _case(size, groups=groups)
    wanted = _naive(np.asarray(x), np.asarray(kernel), stride, pads, groups)
    found = _run(lambda *a: conv(*a, stride, padding, groups=groups, form=form), x, kernel)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("size", STRIDES_AND_PADDINGS)
@pytest.mark.parametrize("models", [0, MODELS], ids=["one_model", "vmap"])
def test_gradients_of_every_form_equal_the_plain_ones(size, models):
    def all_forms(*arguments):
        return {
            (stride, padding, form): _of(
                form, [0] if models else [], stride=stride, padding=padding
            )(*arguments)
            for stride, padding in STRIDES_AND_PADDINGS[size]
            for form in (OF_MANY if models else OF_ONE)
        }

    results = _run(all_forms, *_case(size, models=models))
    for (stride, padding, _), found in results.items():
        _assert_same(found, results[stride, padding, "plain"], 1e-5)


def _assert_forms_agree(tolerance, arguments, vmap, **options):
    results = _run(lambda *a: {form: _of(form, vmap, **options)(*a) for form in FORMS}, *arguments)
    for form in OTHERS:
        _assert_same(results[form], results["plain"], tolerance)


def test_grouped_convolutions_agree():
    x, kernel = _case(3, models=2, groups=2)
    _assert_forms_agree(1e-5, (x, kernel), [0], stride=2, groups=2)


@pytest.mark.parametrize("axes", [(0, None), (None, 0)], ids=["kernel_shared", "image_shared"])
def test_only_one_argument_may_be_batched(axes):
    x, kernel = (a if axis == 0 else a[0] for a, axis in zip(_case(3, models=2), axes, strict=True))
    _assert_forms_agree(1e-5, (x, kernel), [axes])


def test_per_example_gradients_of_many_models():
    x, kernel = _case(3, models=2)
    _assert_forms_agree(1e-5, (x[:, :, None], kernel), [(0, None), 0])


@pytest.mark.parametrize("models", [0, 2], ids=["one_model", "vmap"])
def test_bfloat16_gives_the_float32_gradients_up_to_rounding(models):
    x, kernel = _case(3, models=models, dtype="bfloat16")

    def both(x, kernel):
        step = {form: _of(form, [0] if models else [], stride=2) for form in FORMS}
        wanted = step["plain"](x.astype(jnp.float32), kernel.astype(jnp.float32))
        return {form: step[form](x, kernel) for form in FORMS}, wanted

    results, wanted = _run(both, x, kernel)
    for found in results.values():
        assert all(leaf.dtype == jnp.bfloat16 for leaf in found)
        _assert_same(found, wanted, 2**-6)


_PROGRAMS = (Jaxpr, ClosedJaxpr)


def _convolutions(jaxpr):
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            yield equation.params
        for sub in jax.tree.leaves(equation.params, is_leaf=lambda p: isinstance(p, _PROGRAMS)):
            if isinstance(sub, _PROGRAMS):
                yield from _convolutions(getattr(sub, "jaxpr", sub))


@pytest.mark.parametrize(
    ("form", "groups"),
    [
        ("plain", [MODELS] * 3),
        ("unrolled", [1] * MODELS + [MODELS] * 2),
        ("shifted", [MODELS] * 2),
        ("patches", []),
    ],
)
def test_vmap_gives_the_convolutions_that_the_form_promises(form, groups):
    jaxpr = jax.make_jaxpr(_of(form, [0]))(*_case(3, models=MODELS)).jaxpr
    found = [p["feature_group_count"] * p["batch_group_count"] for p in _convolutions(jaxpr)]
    assert sorted(found) == groups


_SHARDED_FLAGS = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
_SHARDED = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, PartitionSpec as P
from lira_jax.models.conv import FORMS, conv

assert len(jax.devices()) == 2
x = jax.random.normal(jax.random.key(0), (4, 2, 7, 6, 3))
kernel = jax.random.normal(jax.random.key(1), (4, 3, 3, 3, 5))
mesh = Mesh(np.array(jax.devices()), ("models",))
results = {}
for form in FORMS:
    loss = lambda x, k, f=form: (conv(x, k, 2, form=f) ** 2).sum()
    many = jax.vmap(jax.grad(loss, argnums=(0, 1)))
    specs = {"in_specs": P("models"), "out_specs": P("models"), "check_vma": False}
    sharded = jax.shard_map(many, mesh=mesh, **specs)
    results[form] = jax.jit(sharded)(x, kernel)
    for found, wanted in zip(results[form], results["plain"]):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
"""


@pytest.mark.slow
def test_every_form_holds_in_vmap_inside_shard_map():
    # A process of its own: the number of virtual devices is fixed when a process first uses JAX.
    environment = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": _SHARDED_FLAGS}
    environment["PYTHONPATH"] = ":".join(p for p in (".", *sys.path) if p)
    done = subprocess.run(
        [sys.executable, "-c", _SHARDED],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("groups", [1, 4])
def test_kernel_has_he_variance(groups):
    layer = Conv(256, groups=groups)
    kernel = layer.init(jax.random.key(0), jnp.zeros((1, 8, 8, 64)))["params"]["kernel"]
    assert kernel.shape == (3, 3, 64 // groups, 256)
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 256 / groups)), rtol=0.02)
    assert abs(kernel.mean()) < 0.02 * kernel.std()


def test_parameters_stay_float32_and_there_is_no_bias_unless_asked():
    x = jnp.zeros((1, 8, 8, 3))
    for bias, names in ((False, {"kernel"}), (True, {"kernel", "bias"})):
        layer = Conv(4, use_bias=bias, dtype=jnp.bfloat16)
        variables = layer.init(jax.random.key(0), x)
        assert set(variables["params"]) == names
        assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
        assert layer.apply(variables, x).dtype == jnp.bfloat16


def test_windows_are_what_each_kernel_position_sees():
    x, kernel = _case(3)
    parts = windows(x, (3, 3), stride=2)
    by_hand = sum(np.asarray(part) @ kernel[k // 3, k % 3] for k, part in enumerate(parts))
    np.testing.assert_allclose(by_hand, conv(x, kernel, 2), atol=1e-4)


def test_unknown_form_suggests_the_nearest():
    with pytest.raises(UserError, match="did you mean shifted"):
        conv(*_case(3), form="shift")
