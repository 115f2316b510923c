"""What compiling for hardware at a distance needs: the real step on data that are not there."""

import functools

import numpy as np
from jax.sharding import Mesh

from lira_jax.cli import flags, opening
from lira_jax.data import normalize
from lira_jax.data.dataset import Dataset, check
from lira_jax.experiment import Experiment
from lira_jax.training.programs import Plan, Programs

flags.DEFINE_string("shape", "50000,32,32,3", "Examples and their shape; no data set is read.")
flags.DEFINE_integer("classes", 10, "Classes.")


@functools.cache
def experiment() -> Experiment:
    """That of the command line."""
    return opening.asked_experiment()[0]


@functools.cache
def dataset() -> Dataset:
    """Black images of the shape that the flags give."""
    shape = tuple(int(n) for n in flags.FLAGS.shape.split(","))
    return check(
        Dataset(
            np.zeros(shape, np.uint8), np.arange(shape[0], dtype=np.int32) % flags.FLAGS.classes
        )
    )


def programs(mesh: Mesh, plan: Plan) -> Programs:
    """The programs of a plan, by step, for the devices of a mesh."""
    data = dataset()
    pixel = normalize.fit(data.x[:1], "pixel")  # no statistics of data that are not there
    return Programs(
        experiment(), data, (len(data.y) // 2,) * 2, mesh, plan, normalizer=pixel, by_step=True
    )
