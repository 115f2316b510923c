#!/usr/bin/env python3
"""Compiles the real training step for an NVIDIA H200, without one, and counts what it runs.

    pip install "jax-cuda12-plugin[with-cuda]==$(python -c 'import jax; print(jax.__version__)')"
    PYTHONPATH=.:FOLDER python scripts/h200_compile.py --flagfile=configs/cifar10_wrn28_2.flags \\
        --plans=loop/plain,vmap/plain,vmap/unrolled,vmap/shifted,vmap/patches,map/plain --widths=1,8

FOLDER holds compile_for_h200.py, which describes the card to XLA and counts kernels, cuDNN calls
and bytes in the compiled program. A line a plan: kernels of one step, the calls by kind, and bytes
moved an image, or of text a token, whose quotient by 4.3 TB/s is a floor for the time. Text is
described by its vocabulary and shape: --model=gpt2_small --vocabulary=50257 --shape=10000,128.
"""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np
import unseen
from jax.sharding import Mesh

from lira_jax.cli import flags
from lira_jax.training.programs import Plan

FLAGS = flags.FLAGS
flags.DEFINE_list("plans", ["loop/plain", "vmap/plain"], "Pairs strategy/conv_form.")
flags.DEFINE_list("widths", ["8"], "Models side by side; loop is compiled for one.")


def main(_) -> None:
    try:
        import compile_for_h200
    except ImportError:
        sys.exit(
            "h200_compile.py: error: compile_for_h200.py is not on PYTHONPATH; name its folder "
            "there"
        )
    experiment = unseen.experiment()
    mesh = Mesh(np.array(compile_for_h200.topology().devices[:1]), ("models",))
    print(f"{experiment.model}, batch {experiment.batch_size}, {experiment.compute_dtype}")
    for name in FLAGS.plans:
        strategy, _, form = name.partition("/")
        for width in [1] if strategy == "loop" else map(int, FLAGS.widths):
            programs = unseen.programs(mesh, Plan(strategy, form or "plain", width))
            compile_for_h200.report(
                f"{name} x {width}",
                programs.train,
                *programs.train_arguments(width),
                per=width * experiment.batch_size * unseen.unit()[1],
            )
            sys.stdout.flush()


if __name__ == "__main__":
    flags.parse(sys.argv)
    main(sys.argv)
