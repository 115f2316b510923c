"""Lifts a function of ONE model to many models and devices: the only place that knows of both.

A lifted function takes and returns arrays with a leading models axis, split over the devices of the
mesh; nothing is communicated between devices. Because everything about model i comes from
`fold_in(root, i)`, its result does not depend on which models it shares a chunk or a device with.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lira_jax.errors import UserError

# What XLA:CPU gives to YNNPACK by default, less convolutions: their weight gradients were up to 5
# times slower there than in Eigen, and their forward pass uses one core (jaxlib 0.10.2, measured in
# docs/measurements/training_speed.md).
_CPU_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    )
}


def mesh(count: int | None = None) -> Mesh:
    """The devices of this process, or the first `count`, along one axis, `models`."""
    return Mesh(np.array(jax.local_devices()[:count]), ("models",))


def lift(
    function: Callable, strategy: str, devices: Mesh, *, shared: int = 0, donate: bool = False
) -> jax.stages.Wrapped:
    """Lifts function(*of_one_model, *shared) to many models.

    Args:
      function: pure, of one model's arguments followed by `shared` arguments common to all models.
      strategy: "vmap": batched operations. "map": one model after the other in one compiled loop.
        "unroll": written out once a model in one program. "loop": the same, for chunks of one model
        a device, so that the Python loop over chunks is the loop over models.
      devices: mesh with the axis `models`.
      shared: how many trailing arguments have no models axis.
      donate: whether the first argument's memory may be reused for the result.

    Returns:
      The compiled function; leading axes are [models], divisible by the number of devices.
    """

    def of_many(*arguments):
        split = len(arguments) - shared
        own, common = arguments[:split], arguments[split:]
        if strategy == "vmap":
            return jax.vmap(lambda *a: function(*a, *common))(*own)
        if strategy == "map":
            return jax.lax.map(lambda a: function(*a, *common), own)
        models = jax.tree.leaves(own)[0].shape[0]
        results = [
            function(*jax.tree.map(lambda x, m=m: x[m], own), *common) for m in range(models)
        ]
        return jax.tree.map(lambda *x: jnp.stack(x), *results)

    def specs(*arguments):
        split = len(arguments) - shared
        return (PartitionSpec("models"),) * split + (PartitionSpec(),) * shared

    def over_devices(*arguments):
        # check_vma off: custom_vmap rules and random keys have no varying-axes types.
        sharded = jax.shard_map(
            of_many,
            mesh=devices,
            in_specs=specs(*arguments),
            out_specs=PartitionSpec("models"),
            check_vma=False,
        )
        return sharded(*arguments)

    options = _compiler_options(devices.devices.flat[0].platform)
    return jax.jit(over_devices, donate_argnums=(0,) if donate else (), compiler_options=options)


@functools.cache
def _compiler_options(platform: str) -> dict[str, str] | None:
    if platform != "cpu":
        return None
    try:
        jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:  # this jaxlib has no such option
        return None
    return _CPU_OPTIONS


def spread(tree, devices: Mesh):
    """Puts arrays with a leading models axis on the devices, each device its part."""
    return jax.device_put(tree, NamedSharding(devices, PartitionSpec("models")))


def replicate(tree, devices: Mesh):
    """Puts arrays that all models share on every device."""
    return jax.device_put(tree, NamedSharding(devices, PartitionSpec()))


def abstract_spread(tree, width: int, devices: Mesh):
    """What `spread` gives for `width` models, as shapes alone; `tree` describes ONE model."""
    sharding = NamedSharding(devices, PartitionSpec("models"))
    return jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((width, *a.shape), a.dtype, sharding=sharding), tree
    )


def abstract_replicate(tree, devices: Mesh):
    """What `replicate` gives, as shapes alone."""
    sharding = NamedSharding(devices, PartitionSpec())
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), tree)


def choose_strategy(asked: str, *, convolutional: bool, platform: str, form: str = "plain") -> str:
    """Resolves `auto` by rule, where nothing has been measured.

    XLA:CPU runs a convolution's gradient inside a compiled loop 12 to 40 times slower than at top
    level, and a vmapped one about 5 times slower than a plain one, so there convolutional models
    are trained in a Python loop. Dense layers vmap well everywhere.

    Args:
      platform: of the devices, such as "cpu" or "gpu".
      form: of the convolutions; oneDNN's are as fast in a compiled loop as anywhere.

    Raises:
      UserError: `map` was asked for convolutional models on a CPU, by XLA's own convolutions.
    """
    on_cpu = convolutional and platform == "cpu"
    if asked == "map" and on_cpu and form != "onednn":
        raise UserError(
            "--strategy=map: on a CPU the gradient of a convolution is 12 to 40 times slower "
            "inside a compiled loop; use loop or unroll, or install the extra onednn"
        )
    if asked != "auto":
        return asked
    return "loop" if on_cpu else "vmap"
