#!/usr/bin/env python3
"""Compiles the real training step for an NVIDIA H200 on a machine that has none, and counts what it would run.

    pip install "jax-cuda12-plugin[with-cuda]==$(python -c 'import jax; print(jax.__version__)')"
    PYTHONPATH=.:FOLDER python scripts/h200_compile.py --flagfile=configs/cifar10_wrn28_2.flags \
        --plans=loop/plain,vmap/plain,vmap/unrolled,vmap/shifted,vmap/patches,map/plain --widths=1,8

FOLDER holds compile_for_h200.py, which describes the card to XLA and counts kernels, cuDNN calls and bytes in the
compiled program. A line a plan: kernels of one step, the calls by kind, and bytes moved an image, whose quotient by
4.3 TB/s is a floor for the time.
"""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np
from absl import app, flags
from jax.sharding import Mesh

from lira_jax.cli import command
from lira_jax.data import normalize
from lira_jax.data.dataset import Dataset, check
from lira_jax.training.programs import Plan, Programs

FLAGS = flags.FLAGS
flags.DEFINE_list("plans", ["loop/plain", "vmap/plain"], "Pairs strategy/conv_form.")
flags.DEFINE_list("widths", ["8"], "Models side by side; loop is compiled for one.")
flags.DEFINE_string("shape", "50000,32,32,3", "Examples and their shape; no data set is read.")
flags.DEFINE_integer("classes", 10, "Classes.")


def main(_) -> None:
    try:
        import compile_for_h200
    except ImportError:
        sys.exit("h200_compile.py: error: compile_for_h200.py is not on PYTHONPATH; name its folder there")
    experiment, _ = command.asked_experiment()
    shape = tuple(int(n) for n in FLAGS.shape.split(","))
    dataset = check(Dataset(np.zeros(shape, np.uint8), np.arange(shape[0], dtype=np.int32) % FLAGS.classes))
    mesh = Mesh(np.array(compile_for_h200.topology().devices[:1]), ("models",))
    pixel = normalize.fit(dataset.x[:1], "pixel")  # no statistics of data that are not there
    print(f"{experiment.model}, batch {experiment.batch_size}, {experiment.compute_dtype}")
    for name in FLAGS.plans:
        strategy, _, form = name.partition("/")
        for width in [1] if strategy == "loop" else map(int, FLAGS.widths):
            plan = Plan(strategy, form or "plain", width)
            programs = Programs(experiment, dataset, shape[0] // 2, mesh, plan, normalizer=pixel, by_step=True)
            compile_for_h200.report(
                f"{name} x {width}",
                programs.train,
                *programs.train_arguments(width),
                per=width * experiment.batch_size,
            )
            sys.stdout.flush()


if __name__ == "__main__":
    app.run(main)
