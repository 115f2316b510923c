#!/usr/bin/env python3
"""Compiles the real training step for TPUs on a machine that has none, and says what it would take.

    pip install -e '.[tpu]'       # libtpu: the compiler; no TPU is needed
    python scripts/tpu_compile.py --flagfile=configs/cifar10_wrn28_2.flags
    --topologies=v5e:1x1,v5e:2x2,v5e:4x4

For each topology, strategy and number of models a chip it prints, from XLA's own analysis of the
compiled program: floating-point operations and bytes moved an image, the memory a chip needs, and
the largest number of models a chip that fits (from the sizes of two widths). Of text a token stands
in the place of an image: --model=gpt2_small --vocabulary=50257 --shape=10000,128. Nothing is run,
so nothing is said about time but the bounds: operations over the chip's peak, and bytes over its
memory bandwidth.
"""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # there is no TPU to ask
os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
# Nor is there one that two processes would fight for.
os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")

import jax
import numpy as np
import unseen
from jax.experimental import topologies
from jax.sharding import Mesh

from lira_jax.cli import flags
from lira_jax.errors import UserError
from lira_jax.training.programs import Plan, bytes_needed

V5E = {"flops": 197e12, "bandwidth": 819e9, "memory": 16 * 2**30}
"""One v5e chip: bfloat16 FLOP / s, bytes / s, bytes (Google Cloud, TPU v5e)."""

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "topologies", ["v5e:2x2"], "TPU topologies to compile for, such as v5e:1x1, v5e:2x2, v5e:4x4."
)
flags.DEFINE_list(
    "strategies", ["vmap", "map", "unroll"], "Strategies; vmap/patches names a form of convolution."
)
flags.DEFINE_list(
    "widths", ["1", "4", "16"], "Models side by side on one chip; unroll stays at 4 or below."
)


def topology_mesh(name: str) -> Mesh:
    """The chips of a topology, in one axis, to compile for.

    Raises:
      UserError: libtpu is not installed, or it knows no such topology.
    """
    one_chip = {"chips_per_host_bounds": [1, 1, 1]} if name.endswith(":1x1") else {}
    try:
        devices = topologies.get_topology_desc(name, "tpu", **one_chip).devices
    except Exception as error:
        text = str(error).splitlines()[0]
        raise UserError(
            f"--topologies={name}: {text} (is libtpu installed? pip install 'lira_jax[tpu]')"
        ) from error
    return Mesh(np.array(devices), ("models",))


def compile_plan(mesh: Mesh, plan: Plan) -> dict[str, float]:
    """What one training step of a plan takes on each chip."""
    compiled = unseen.programs(mesh, plan).compile_train(plan.width)
    cost = compiled.cost_analysis()
    images = plan.width // mesh.size * unseen.experiment().batch_size  # of one chip
    images *= unseen.unit()[1]
    # cost_analysis counts the body of a loop once.
    times = plan.width // mesh.size if plan.strategy == "map" else 1
    return {
        "flops": times * cost["flops"] / images,
        "bytes": times * cost["bytes accessed"] / images,
        "memory": bytes_needed(compiled),
    }


def main(_) -> None:
    experiment = unseen.experiment()
    print(
        f"{experiment.model}, batch {experiment.batch_size}, {experiment.compute_dtype}, jax "
        f"{jax.__version__}"
    )
    unit = unseen.unit()[0]
    print(
        f"topology  strategy        models/chip  MFLOP/{unit}  kB/{unit}  GiB/chip  fits  most "
        f"{unit}s/s/chip"
    )
    for topology in FLAGS.topologies:
        mesh = topology_mesh(topology)
        for name in FLAGS.strategies:
            strategy, _, form = name.partition("/")
            before = None
            for width in map(int, FLAGS.widths):
                if strategy in ("unroll", "loop") and width > 4:
                    continue
                plan = Plan(strategy, form or "plain", width * mesh.size)
                found = compile_plan(mesh, plan)
                most = "-"
                if before:
                    a_model = (found["memory"] - before[1]) / (width - before[0])
                    most = (
                        int((V5E["memory"] - found["memory"]) / a_model + width)
                        if a_model > 0
                        else "-"
                    )
                before = width, found["memory"]
                bound = min(V5E["flops"] / found["flops"], V5E["bandwidth"] / found["bytes"])
                print(
                    f"{topology:8}  {name:14}  {width:11d}  {found['flops'] / 1e6:11.1f}  "
                    f"{found['bytes'] / 1e3:8.0f}  {found['memory'] / 2**30:8.2f}  {most:>4}  "
                    f"{bound:18.0f}",
                    flush=True,
                )


def guarded(argv) -> None:
    try:
        main(argv)
    except UserError as error:
        sys.exit(f"tpu_compile.py: error: {error}")


if __name__ == "__main__":
    flags.parse(sys.argv)
    guarded(sys.argv)
