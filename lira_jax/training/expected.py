"""How long a training will take, to an order of magnitude, before anything is compiled."""

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh

from lira_jax.data.dataset import Dataset
from lira_jax.ensemble import hardware
from lira_jax.experiment import Experiment
from lira_jax.models import network as networks
from lira_jax.models.network import Network

_START = 8.0  # seconds to compile, to draw initial weights and to save the models
_CPU_SECONDS_PER_EXAMPLE = 5e-6  # of one core, beside the products: batches, updates, losses
_WITH_GRADIENTS = 3  # times the operations of a forward pass alone


def seconds(
    experiment: Experiment, network: Network, dataset: Dataset, keep: np.ndarray, devices: Mesh
) -> float:
    """Seconds that a training may take here, right to a factor of about three.

    Products are counted as XLA counts them, at the speed that `hardware.usual_flops` guesses. On
    two idle cores of an Intel Xeon (2026-11), it says 30 s for the config digits, 30 min for
    cifar10_cnn_cpu and 4 min for location30_lira.

    Args:
      network: that is trained.
      keep: bool [models, examples], of all models that are trained.
    """
    x = dataset.x
    if network.convolutional and not network.signals and ":" not in experiment.model:
        plain = dataclasses.replace(experiment, conv_form="plain")  # oneDNN's are not counted
        network = networks.make(plain, dataset, network.normalizer)
    example = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    cost = jax.jit(network.outputs).lower(network.shapes, example).cost_analysis()
    flops = float(cost.get("flops", 0)) if cost else 0.0
    seen = float(keep.sum()) * experiment.epochs
    found = _START + seen * _WITH_GRADIENTS * flops / hardware.usual_flops(devices)
    if devices.devices.flat[0].platform == "cpu":
        found += seen * _CPU_SECONDS_PER_EXAMPLE / hardware.cores()
    return found


def in_words(seconds: float) -> str:
    """Such as "40 s", "3 min" or "2 h": rounded to tens from 20 on."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{_rounded(seconds / size)} {unit}"
    return f"{_rounded(max(1.0, seconds))} s"


def _rounded(value: float) -> int:
    return round(value) if value < 20 else 10 * round(value / 10)
