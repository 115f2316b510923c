"""Lifts a function of ONE model to many models and devices: the only place that knows of both.

A lifted function takes and returns arrays with a leading models axis, split over the devices of the
mesh; nothing is communicated between devices. Because everything about model i comes from
`fold_in(root, i)`, its result does not depend on which models it shares a chunk or a device with.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lira_jax.errors import UserError

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

    return jax.jit(over_devices, donate_argnums=(0,) if donate else ())


def spread(tree, devices: Mesh):
    """Puts arrays with a leading models axis on the devices, each device its part."""
    return jax.device_put(tree, NamedSharding(devices, PartitionSpec("models")))


def replicate(tree, devices: Mesh):
    """Puts arrays that all models share on every device."""
    return jax.device_put(tree, NamedSharding(devices, PartitionSpec()))


def choose_strategy(asked: str, *, convolutional: bool) -> str:
    """Resolves `auto` for the backend at hand.

    XLA:CPU runs a convolution's gradient inside a compiled loop 12 to 40 times slower than at top
    level, and a vmapped one about 5 times slower than a plain one, so there convolutional models are
    trained in a Python loop. Dense layers vmap well everywhere.

    Raises:
      UserError: `map` was asked for convolutional models on a CPU.
    """
    on_cpu = jax.default_backend() == "cpu"
    if asked == "map" and convolutional and on_cpu:
        raise UserError(
            "--strategy=map: on a CPU the gradient of a convolution is 12 to 40 times slower inside a compiled "
            "loop; use loop or unroll"
        )
    if asked != "auto":
        return asked
    return "loop" if convolutional and on_cpu else "vmap"


def chunks(ids: list[int], strategy: str, asked: int, devices: Mesh) -> tuple[list[list[int]], int]:
    """Splits models into chunks that run at the same time.

    Args:
      ids: model ids.
      strategy: as chosen.
      asked: models a chunk; 0 for a default.
      devices: the mesh; chunks are a multiple of its size wide.

    Returns:
      (chunks, width): lists of ids that differ in length by one at most, and the width that each is
      to be padded to (see `pad`), so that one compiled program serves all.
    """
    if not ids:
        return [], 0
    wanted = 1 if strategy == "loop" else (asked or _DEFAULT_CHUNK[strategy])
    count = -(-len(ids) // max(wanted, devices.size))
    parts = [[int(i) for i in part] for part in np.array_split(ids, count)]
    width = -(-len(parts[0]) // devices.size) * devices.size
    return parts, width


def pad(ids: list[int], width: int) -> np.ndarray:
    """Repeats the last id up to `width`; the copies' results are dropped."""
    return np.array(ids + [ids[-1]] * (width - len(ids)), np.int32)
