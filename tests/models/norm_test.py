"""GroupNorm in the place of BatchNorm (--norm=group)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lira_jax.errors import UserError
from lira_jax.models.layers import batch_norm
from lira_jax.models.table import create

SMALL = {
    "wide_resnet": {"depth": 10, "width": 1},
    "resnet_cifar": {"depth": 8},
    "resnet_cifar_bottleneck": {"depth": 11},
    "resnet9": {"width": 8},
    "densenet": {"depth": 10},
    "resnet": {},
    "efficientnet": {},
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if o else pytest.mark.slow) for n, o in SMALL.items()],
)
def test_it_sees_one_example_at_a_time_and_keeps_nothing(name):
    module = create(name, 3, norm="group", **SMALL[name])
    x = jax.random.normal(jax.random.key(0), (3, 8, 8, 3))

    def both(x):
        variables = module.init(jax.random.key(1), x, train=False)
        alone, among = (module.apply(variables, inputs, train=True) for inputs in (x[:1], x))
        return alone, among[:1], variables

    compiled = jax.jit(both, compiler_options={"xla_backend_optimization_level": 0})
    alone, among, variables = compiled(x)
    assert set(variables) == {"params"}
    np.testing.assert_allclose(alone, among, rtol=1e-3, atol=1e-4)


def test_it_is_that_of_the_paper():
    x = np.random.default_rng(0).normal(3, 2, (2, 4, 4, 24)).astype(np.float32)
    norm = batch_norm(True, jnp.float32, "group")
    found = norm.apply(norm.init(jax.random.key(0), x), x)
    groups = x.reshape(2, 16, 8, 3)  # 8 groups, the most up to 16 that cut 24 channels evenly
    mean, variance = (f(groups, (1, 3), keepdims=True) for f in (np.mean, np.var))
    expected = ((groups - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_family_without_batch_norm_says_so():
    with pytest.raises(UserError, match="--norm=group: --model=cnn has no such option"):
        create("cnn", 3, norm="group")
