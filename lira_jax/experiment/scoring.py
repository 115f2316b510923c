"""The settings of an experiment that say what is computed of trained models, and how."""

import dataclasses

from lira_jax.experiment.field import field

QUERY_SHIFTS = {1: None, 2: 0, 18: 1, 50: 2, 162: 4}
"""Number of queries -> largest shift of the grid in pixels; None: the plain example alone."""


@dataclasses.dataclass(frozen=True)
class Scoring:
    """What is read off every trained model."""

    queries: int = field(
        18,
        "Augmented copies of each example that are scored: 1, 2, 18, 50 or 162; query 0 is the "
        "plain one.",
        fixed_by="score",
    )
    save_logits: str = field(
        "plain",
        "Logits kept on disk: plain (query 0) or all queries.",
        fixed_by="score",
        choices=("plain", "all"),
    )
    signals: str = field(
        "phi,logits",
        "What is saved of every model, comma separated: phi, logits, another measured signal of "
        "lira_jax/signals/table.py, or one that a recipe of your own brings. More can be added at "
        "any time. Of text the default is phi,token_losses.",
        fixed_by="nothing",
    )
    probes: str = field(
        "",
        "Examples that are in no training set, scored beside the pool to count false alarms, "
        "comma separated: permuted (pixels in one random order), scaled (normalised inputs times "
        "255), noise (uniform), or other data sets, NAME:PATH such as npz:other.npz, or "
        "tfds:NAME. More can be added at any time.",
        fixed_by="nothing",
    )

    boundary_step: float = field(
        0.02,
        "Step of the signal boundary_distance towards another class, in the L2 norm of the "
        "normalised input.",
        fixed_by="boundary_distance",
    )
    boundary_steps: int = field(
        500,
        "Steps after which the search of boundary_distance fails: the example then has none.",
        fixed_by="boundary_distance",
    )
    merlin_scales: str = field(
        "0.001,0.003,0.01,0.03,0.1",
        "Standard deviations of the noise of the signal merlin on each coordinate of the "
        "normalised input, comma separated; the attack chooses one on other models.",
        fixed_by="merlin",
    )
    score_epochs: str = field(
        "",
        "Epochs after which lira-train scores all models while they go on, for lira-attack's "
        "--epochs and --stop_at: numbers, comma separated, every:5, or all; empty for none. Of "
        "each, epochs/0020/ has the signals and queries that --signals and --queries name, as the "
        "run has of the finished models; weights are not kept.",
    )
    epoch_queries: int = field(
        0,
        "Queries of each example that --score_epochs scores, of the same choices as --queries; 1, "
        "the plain one, suffices for losses over epochs; 0 for as many as --queries.",
    )

    @property
    def signal_names(self) -> list[str]:
        """The names in `signals`."""
        return [name.strip() for name in self.signals.split(",") if name.strip()]

    @property
    def merlin_noise(self) -> list[float]:
        """The numbers in `merlin_scales`.

        Raises:
          ValueError: one is none.
        """
        return [float(scale) for scale in self.merlin_scales.split(",")]


@dataclasses.dataclass(frozen=True)
class Compute:
    """How to compute: never changes what the numbers are, beyond float rounding."""

    strategy: str = field(
        "auto",
        "How one model's step is lifted to many: loop, unroll, map, vmap, or auto, which times "
        "training steps of each and keeps the fastest in plan.json (in a training of less than "
        "about a minute the usual one: vmap; on a CPU loop for models with convolutions or more "
        "than a million weights).",
        fixed_by="nothing",
        choices=("auto", "loop", "unroll", "map", "vmap"),
    )
    conv_form: str = field(
        "auto",
        "How a convolution is computed for many models under vmap: plain (whatever jax.vmap makes "
        "of it), grouped (weight gradients by one convolution with batch groups), unrolled (one "
        "weight gradient after the other), shifted (weight gradients as matrix products), patches "
        "(matrix products throughout), onednn (on a CPU by oneDNN, which the extra onednn brings), "
        "or auto (timed with --strategy=auto, else onednn where it is installed, else plain).",
        fixed_by="nothing",
        choices=("auto", "plain", "grouped", "unrolled", "shifted", "patches", "onednn"),
    )
    remat: bool = field(
        False,
        "Of a gpt, keep the input of each block alone for the backward pass and compute the block "
        "again: less memory, about a third more time.",
        fixed_by="nothing",
    )
    models_per_chunk: int = field(
        0,
        "Models trained or scored at the same time, all devices together; 0 for a default.",
        fixed_by="nothing",
    )
    data_on: str = field(
        "device",
        "Where the data are kept: device, or host for data larger than the device's memory, fed "
        "batch by batch.",
        fixed_by="nothing",
        choices=("device", "host"),
    )
    checkpoint_minutes: float = field(
        5.0,
        "Minutes of training after which the models at work get checkpoints that an interrupted "
        "training resumes from, at the end of the epoch; 0 for none.",
        fixed_by="nothing",
    )
    checkpoint_every: int = field(
        0, "Epochs after which they get checkpoints too; 0 for none.", fixed_by="nothing"
    )
    log_every: int = field(
        0,
        "Epochs between lines in metrics.jsonl; 0 for one line when a model is finished.",
        fixed_by="nothing",
    )
    tensorboard: bool = field(
        False,
        "Also write what goes to metrics.jsonl as TensorBoard event files, "
        "tensorboard/model_0007/ for model 7 (needs TensorBoard, not TensorFlow).",
        fixed_by="nothing",
    )
    score_batch_size: int = field(
        0,
        "Images of one model in one scoring step, queries counted; 0 for 1024, or for models with "
        "convolutions on a CPU 64.",
        fixed_by="nothing",
    )
