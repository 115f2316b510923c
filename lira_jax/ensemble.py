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

from lira_jax import progress
from lira_jax.errors import UserError

# What XLA:CPU gives to YNNPACK by default, less convolutions: their weight gradients were up to 5 times slower there
# than in Eigen, and their forward pass uses one core (jaxlib 0.10.2, measured in BUILD_NOTES.md).
_CPU_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
}  # fmt: skip
_DEFAULT_CHUNK = {"vmap": 64, "map": 64, "unroll": 4, "loop": 1}  # models a chunk; loop: a device


def mesh(count: int | None = None) -> Mesh:
    """The devices of this process, or the first `count`, along one axis, `models`."""
    return Mesh(np.array(jax.local_devices()[:count]), ("models",))


def lift(function: Callable, strategy: str, devices: Mesh, *, shared: int = 0, donate: bool = False) -> Callable:
    """Lifts function(*of_one_model, *shared) to many models.

    Args:
      function: pure, of one model's arguments followed by `shared` arguments common to all models.
      strategy: "vmap": batched operations. "map": one model after the other in one compiled loop.
        "unroll": written out once a model in one program. "loop": the same, for chunks of one model a
        device, so that the Python loop over chunks is the loop over models.
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
        results = [function(*jax.tree.map(lambda x, m=m: x[m], own), *common) for m in range(models)]
        return jax.tree.map(lambda *x: jnp.stack(x), *results)

    def specs(*arguments):
        split = len(arguments) - shared
        return (PartitionSpec("models"),) * split + (PartitionSpec(),) * shared

    def over_devices(*arguments):
        # check_vma off: custom_vmap rules and random keys have no varying-axes types.
        sharded = jax.shard_map(
            of_many, mesh=devices, in_specs=specs(*arguments), out_specs=PartitionSpec("models"), check_vma=False
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
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct((width, *a.shape), a.dtype, sharding=sharding), tree)


def abstract_replicate(tree, devices: Mesh):
    """What `replicate` gives, as shapes alone."""
    sharding = NamedSharding(devices, PartitionSpec())
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), tree)


def choose_strategy(asked: str, *, convolutional: bool, platform: str) -> str:
    """Resolves `auto` by rule, where nothing has been measured.

    XLA:CPU runs a convolution's gradient inside a compiled loop 12 to 40 times slower than at top
    level, and a vmapped one about 5 times slower than a plain one, so there convolutional models are
    trained in a Python loop. Dense layers vmap well everywhere.

    Args:
      platform: of the devices, such as "cpu" or "gpu".

    Raises:
      UserError: `map` was asked for convolutional models on a CPU.
    """
    slow_loops = convolutional and platform == "cpu"
    if asked == "map" and slow_loops:
        raise UserError(
            "--strategy=map: on a CPU the gradient of a convolution is 12 to 40 times slower inside a compiled "
            "loop; use loop or unroll"
        )
    if asked != "auto":
        return asked
    return "loop" if slow_loops else "vmap"


def width(strategy: str, asked: int, models: int, devices: Mesh) -> int:
    """Models side by side, all devices together: a multiple of the devices, and no more than there are to do.

    Args:
      asked: models a chunk; 0 for the strategy's default.
    """
    wanted = 1 if strategy == "loop" else min(asked or _DEFAULT_CHUNK[strategy], models)
    return _whole(wanted, devices)


def chunks(ids: list[int], width: int, devices: Mesh) -> tuple[list[list[int]], int]:
    """Splits models into chunks that run at the same time.

    Returns:
      (chunks, width): lists of ids that differ in length by one at most, and the width, at most the one
      given, that each is to be padded to (see `pad`), so that one compiled program serves all.
    """
    if not ids:
        return [], 0
    parts = [[int(i) for i in part] for part in np.array_split(ids, -(-len(ids) // width))]
    return parts, _whole(len(parts[0]), devices)


def in_chunks(ids: list[int], width: int, devices: Mesh, run: Callable[[list[int], int], None]) -> None:
    """Calls run(chunk, width) for one chunk after the other; out of memory, goes on with half the width.

    Raises:
      UserError: the device's memory does not suffice for one model.
    """
    parts, width = chunks(ids, width, devices)
    while parts:
        part = parts[0]
        try:
            run(part, width)
        except jax.errors.JaxRuntimeError as error:
            if not out_of_memory(error):
                raise
            if width == devices.size:
                raise UserError(
                    "the device's memory does not suffice for one model: lower --batch_size or --score_batch_size, "
                    "or take --data_on=host"
                ) from error
            smaller = _whole(width // 2, devices)
            smaller -= devices.size if smaller == width else 0
            progress.note(f"out of memory with {width} models side by side; going on with {smaller}")
            parts = [piece for part in parts for piece in chunks(part, smaller, devices)[0]]
            width = smaller
        else:
            parts = parts[1:]


def out_of_memory(error: Exception) -> bool:
    """Whether XLA says that memory was exhausted."""
    return "RESOURCE_EXHAUSTED" in str(error) or "Out of memory" in str(error)


def _whole(models: int, devices: Mesh) -> int:
    return max(1, -(-models // devices.size)) * devices.size


def pad(ids: list[int], width: int) -> np.ndarray:
    """Repeats the last id up to `width`; the copies' results are dropped."""
    return np.array(ids + [ids[-1]] * (width - len(ids)), np.int32)
