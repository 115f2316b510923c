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
flags.DEFINE_integer(
    "vocabulary", 0, "Token ids of text, whose --shape is sequences,tokens; 0 for other data."
)


@functools.cache
def experiment() -> Experiment:
    """That of the command line."""
    return opening.asked_experiment()[0]


@functools.cache
def dataset() -> Dataset:
    """Black images, or sequences of the first token, of the shape that the flags give."""
    shape = tuple(int(n) for n in flags.FLAGS.shape.split(","))
    if vocabulary := flags.FLAGS.vocabulary:
        labels = np.zeros(shape[0], np.int32)
        return Dataset(np.zeros(shape, np.int32), labels, num_classes=1, vocabulary=vocabulary)
    return check(
        Dataset(
            np.zeros(shape, np.uint8), np.arange(shape[0], dtype=np.int32) % flags.FLAGS.classes
        )
    )


def programs(mesh: Mesh, plan: Plan) -> Programs:
    """The programs of a plan, by step, for the devices of a mesh."""
    data = dataset()
    kind = "none" if data.is_text else "pixel"  # no statistics of data that are not there
    scaling = normalize.fit(data.x[:1], kind)
    return Programs(
        experiment(), data, (len(data.y) // 2,) * 2, mesh, plan, normalizer=scaling, by_step=True
    )


def unit() -> tuple[str, int]:
    """What figures are of, and how many of them are in an example: images, or tokens."""
    data = dataset()
    return ("token", data.x.shape[1]) if data.is_text else ("image", 1)
