"""The settings of an experiment, a group a class; a field has its default and its flag's help."""

import dataclasses
from typing import Any

QUERY_SHIFTS = {1: None, 2: 0, 18: 1, 50: 2, 162: 4}
"""Number of queries -> largest shift of the grid in pixels; None: the plain example alone."""


def _field(default: Any, help: str, *, fixed_by: str = "train", choices: tuple[str, ...] = ()):
    """A documented field.

    `fixed_by` names the stage, or the signal, whose first output depends on it: from then on a run
    directory refuses another value. Fields fixed by "data" say where the data are: another value is
    taken if the data there are the same. Fields fixed by "nothing" say how to compute, not what, or
    only add to it.
    """
    return dataclasses.field(
        default=default, metadata={"help": help, "fixed_by": fixed_by, "choices": choices}
    )


@dataclasses.dataclass(frozen=True)
class Data:
    """Which examples there are."""

    dataset: str = _field(
        "digits",
        "Data set: digits (ships with scikit-learn), tfds:NAME, or another name in the table of "
        "lira_jax/data/load.py, such as npz, folder, cifar10 or purchase100.",
    )
    data_path: str = _field(
        "",
        "File or folder the data set is read from; unused by digits and tfds. Of a run that has "
        "begun, where the same data are now.",
        fixed_by="data",
    )
    data_dir: str = _field(
        "",
        "Folder of prepared tensorflow-datasets; empty for the library's default.",
        fixed_by="data",
    )
    splits: str = _field(
        "", "tfds splits that form the membership pool, joined by +; empty for train."
    )
    test_splits: str = _field(
        "", "tfds splits that form the test set, joined by +; empty for test if it exists."
    )
    unit: str = _field(
        "line",
        "Of text, what carries a membership bit: line, document, or window:LENGTH, pieces of the "
        "whole text of so many tokens, such as window:128.",
    )
    tokenizer: str = _field(
        "bytes",
        "Of text: bytes, bpe:SIZE (byte pair encoding trained on the pool, such as bpe:4096), a "
        "tokenizer.json, or a folder with vocab.json and merges.txt.",
    )
    context: int = _field(
        128, "Of lines and documents, the most tokens of a sequence; longer ones become several."
    )
    image_size: int = _field(
        0,
        "Of --dataset=folder, pixels each way that images get: the square in the middle is cut out "
        "and scaled. 0 leaves them as they are, and they must be of one size.",
    )
    num_examples: int = _field(
        0,
        "Size of the membership pool in examples, drawn at random by --seed; 0 for all there are. "
        "Outliers that are inserted come on top.",
    )
    drop_duplicates: bool = _field(
        False,
        "Remove every example that exactly equals an earlier one, and of text every sequence that "
        "shares 13 words in a row with an earlier one (copies corrupt membership truth).",
    )
    normalize: str = _field(
        "auto",
        "Scaling of the inputs: pixel (x / 127.5 - 1), standard (zero mean and unit variance, per "
        "channel or feature, over the pool), none, or auto (pixel for uint8 images that reach 128, "
        "standard otherwise), which training replaces by what it has chosen.",
        choices=("auto", "pixel", "standard", "none"),
    )
    outliers: int = _field(
        0, "Outliers of each kind that are put into the pool, as --outliers_mode says; 0 for none."
    )
    outliers_from: str = _field(
        "",
        "Kinds of outliers, comma separated: random_labels (wrong labels), or other data sets, "
        "NAME:PATH such as npz:other.npz, or tfds:NAME. Of a run that has begun, where the same "
        "data are now.",
        fixed_by="data",
    )
    outliers_mode: str = _field(
        "replace",
        "What --outliers does: replace (outliers take the places of random examples of the pool, "
        "those with wrong labels are examples of the pool) or insert (they are added to the pool, "
        "those with wrong labels come from the test set and leave it; LiRA VII-B).",
        choices=("replace", "insert"),
    )
    seed: int = _field(
        0, "Seed of masks, initial weights, batches and augmentation; an integer >= 0."
    )


@dataclasses.dataclass(frozen=True)
class Masks:
    """Who is in which training set."""

    num_models: int = _field(64, "Number of shadow models.")
    masks: str = _field(
        "balanced",
        "How training sets are drawn: balanced (each example in exactly pkeep * num_models "
        "models), bernoulli (independent coins), tf_privacy (the very masks of "
        "tensorflow/privacy's LiRA code, whatever the seed), disjoint (the first half of the "
        "models, the targets, share one half of the pool, their shadows the other; only attacks "
        "apply that need no shadow model which trained on the example; 2 models are one target "
        "and one shadow), disjoint:PATH (the targets' half is what a .npy file says, bool "
        "[examples]), pairs (models 2 i and 2 i + 1 train on the two halves of the pool, as "
        "Privacy Meter's), official (the pool is the training set and the test set; all models "
        "train on the former, so only --protocol=known attacks them; 1 model is enough), or "
        "file:PATH (a .npy file, bool [num_models, examples of the pool]).",
        choices=(
            *("balanced", "bernoulli", "tf_privacy", "disjoint", "disjoint:PATH"),
            *("pairs", "official", "file:PATH"),
        ),
    )
    pkeep: float = _field(
        0.5,
        "Fraction of the pool (disjoint: of its half) that each model trains on, between 0 and 1.",
    )


@dataclasses.dataclass(frozen=True)
class Model:
    """The network of one model."""

    model: str = _field(
        "mlp",
        "Model family (see lira_jax/models/table.py), or package.module:function of your own.",
    )
    depth: int = _field(
        0,
        "Layers of wide_resnet (6n+4), resnet, resnet_cifar (6n+2), resnet_cifar_bottleneck (9n+2) "
        "or densenet (6n+4); 0 for the family's default.",
    )
    width: int = _field(
        0, "Width factor of wide_resnet, filters of cnn, growth of densenet; 0 for default."
    )
    hidden: tuple[int, ...] = _field(
        (512, 256), "Units of each hidden layer of mlp, comma separated."
    )
    positions: str = _field(
        "learned", "How a gpt knows of positions.", choices=("learned", "rotary")
    )
    activation: str = _field("relu", "Activation function of mlp.", choices=("relu", "tanh"))
    initial: str = _field(
        "lecun_normal",
        "How the weights of mlp begin: lecun_normal, or glorot_uniform as in Keras.",
        choices=("lecun_normal", "glorot_uniform"),
    )
    dropout: float = _field(
        0.0,
        "Fraction of activations that are dropped in training: after each hidden layer of mlp, "
        "inside the blocks of wide_resnet, of a gpt's embeddings and what its layers add to them, "
        "before the last layer of others; in [0, 1).",
    )
    drop_connect: float = _field(
        0.0,
        "Fraction of examples for which the last block of efficientnet is passed over in training, "
        "earlier blocks in proportion to their place (stochastic depth); in [0, 1).",
    )
    norm: str = _field(
        "batch",
        "Normalisation of wide_resnet, resnets, densenet and efficientnet: batch (BatchNorm), or "
        "group (GroupNorm, 16 groups, which sees one example at a time, as dp_sgd needs).",
        choices=("batch", "group"),
    )


@dataclasses.dataclass(frozen=True)
class Training:
    """How one model is trained."""

    recipe: str = _field(
        "",
        "Training step of your own, package.module:function (see docs/extending.md); empty for "
        "the supervised one, which all other flags of training describe.",
    )
    epochs: int = _field(100, "Length of training in epochs (passes over the model's own members).")
    batch_size: int = _field(64, "Examples in one training step of one model.")
    optimizer: str = _field(
        "sgd",
        "Optimiser of every model: sgd, adam, or adamw, whose weight decay passes its moments by.",
        choices=("sgd", "adam", "adamw"),
    )
    learning_rate: float = _field(
        0.1, "Learning rate that schedule and warm-up multiply; the peak where they are 1."
    )
    drop_last: bool = _field(
        False,
        "Leave out of each epoch the members that fill no whole batch, others each time, as many "
        "codes do; otherwise batches go on into the next epoch's order.",
    )
    momentum: float = _field(0.9, "Momentum of sgd (heavy ball), or beta1 of adam and adamw.")
    beta2: float = _field(0.999, "beta2 of adam and adamw.")
    nesterov: bool = _field(False, "Nesterov momentum for sgd.")
    schedule: str = _field(
        "cosine",
        "Learning rate over t in [0, 1]: cosine (to 0), reference (cos(7 pi t / 16), warm-up over "
        "the first 1 %), linear (to 0), constant, step (times --drop_factor after each of "
        "--drops).",
        choices=("cosine", "reference", "linear", "constant", "step"),
    )
    drops: tuple[int, ...] = _field(
        (), "Epochs after which --schedule=step lowers the learning rate, such as 81,122."
    )
    drop_factor: float = _field(0.1, "What --schedule=step multiplies the learning rate by.")
    warmup: float = _field(
        0.0,
        "Fraction of training over which the learning rate rises linearly; reference always takes "
        "0.01.",
    )
    weight_decay: float = _field(
        5e-4,
        "L2 penalty: the loss gains weight_decay / 2 * |parameters|^2. Of adamw: each step takes "
        "learning rate * weight_decay * parameters away.",
    )
    decayed: str = _field(
        "kernels",
        "Parameters that weight_decay is about: kernels (of dense and convolutional layers), or "
        "all (also biases and what normalisation learns).",
        choices=("kernels", "all"),
    )
    clip_norm: float = _field(
        0.0,
        "Largest L2 norm of a step's mean gradient, all parameters together; a longer one is "
        "scaled down to it; 0 for no bound.",
    )
    label_smoothing: float = _field(
        0.0, "Probability mass moved from the label to all classes alike, in [0, 1)."
    )
    augment: str = _field(
        "none",
        "Augmentation drawn anew in each step: none, mirror, mirror_shift or mirror_shift_cutout.",
        choices=("none", "mirror", "mirror_shift", "mirror_shift_cutout"),
    )
    shift: int = _field(
        4, "Largest shift of the training augmentation in pixels, into what --padding says."
    )
    padding: str = _field(
        "reflect",
        "What a shift in training brings in at the border: reflect (the image mirrored) or zero "
        "(black). Queries are always mirrored in.",
        choices=("reflect", "zero"),
    )
    cutout: int = _field(8, "Side of the square that cutout blanks, in pixels.")
    rotation: float = _field(
        0.0, "Largest angle by which images are turned in training, in degrees; 0 for none."
    )
    colour_jitter: float = _field(
        0.0,
        "Largest relative change of brightness, contrast and saturation of images in training, in "
        "[0, 1]; 0 for none.",
    )
    mixup: float = _field(
        0.0,
        "alpha of mixup: examples of a batch are averaged in pairs with a weight from Beta(alpha, "
        "alpha), their losses too; 0 for none.",
    )
    cutmix: float = _field(
        0.0,
        "Fraction of batches in which CutMix pastes a box of another image of the batch into each; "
        "0 for none.",
    )
    compute_dtype: str = _field(
        "float32",
        "Number format of the forward and backward pass; weights and logits stay float32.",
        choices=("float32", "bfloat16"),
    )


@dataclasses.dataclass(frozen=True)
class Defence:
    """What training does against membership inference (docs/defences.md)."""

    defence: str = _field(
        "",
        "Defences in training, NAME or NAME:VALUE, comma separated; they go before the flags that "
        "they set.",
    )
    dp_clip: float = _field(
        1.0, "dp_sgd: largest norm of an example's gradient, over all parameters together."
    )
    dp_noise: float = _field(
        1.0,
        "dp_sgd: standard deviation of the noise in multiples of --dp_clip; 0 for clipping alone.",
    )
    dp_epsilon: float = _field(
        0.0,
        "dp_sgd: the epsilon that --dp_noise is chosen for when training begins, such as 8 (needs "
        "the extra dp); 0 for the noise that is given.",
    )
    dp_delta: float = _field(1e-5, "dp_sgd: delta of the epsilon that is printed, a probability.")
    dp_batches: str = _field(
        "poisson",
        "dp_sgd: how batches are drawn. poisson: each step takes each member with probability "
        "batch_size / members, into a batch with room to spare. shuffled: an epoch is one pass, "
        "its last batch short.",
        choices=("poisson", "shuffled"),
    )
    adv_weight: float = _field(
        3.0,
        "adversarial_regularization: lambda, the weight of the attack's gain in the classifier's "
        "loss.",
    )
    adv_attack_steps: int = _field(
        2,
        "adversarial_regularization: steps that train the attack, after which 2 train the "
        "classifier. Epochs count both.",
    )
    adv_objective: str = _field(
        "code",
        "adversarial_regularization: code (the attack sees logits, by squared errors) or paper "
        "(probabilities, by logarithms).",
        choices=("code", "paper"),
    )
    adv_network: str = _field(
        "purchase",
        "adversarial_regularization: the attack's layers and learning rate, as for Purchase100 or "
        "Texas100.",
        choices=("purchase", "texas"),
    )
    reference: str = _field(
        "",
        "The defender's own non-members: a .npy file with bool [examples of the pool], or their "
        "numbers. No model may train on them (--masks=file:PATH), and they are not attacked. "
        "adversarial_regularization takes its non-members from them, and --release=memguard and "
        "laplace theirs; without it, from all that a model does not train on.",
    )
    dp_block: int = _field(
        0,
        "dp_sgd: examples of a model whose gradients are in memory at a time; 0 for as many as "
        "64 MB hold.",
        fixed_by="nothing",
    )


@dataclasses.dataclass(frozen=True)
class Targets:
    """In what the targets' recipe differs from the shadow models' (LiRA VI-E)."""

    target_recipe: tuple[tuple[str, Any], ...] = _field(
        (),
        "Flagfile with the flags of model and training in which targets differ from the shadow "
        "models, such as --model=cnn and --hidden=64. With it, targets are trained besides the "
        "shadow models, with the same data, masks and seed, in the run directory targets/ inside "
        "--workdir, and attacked with them (LiRA VI-E). In another family than the shadow models', "
        "they take the defaults of depth, width, hidden and activation. Empty for no such targets.",
    )


@dataclasses.dataclass(frozen=True)
class Scoring:
    """What is read off every trained model."""

    queries: int = _field(
        18,
        "Augmented copies of each example that are scored: 1, 2, 18, 50 or 162; query 0 is the "
        "plain one.",
        fixed_by="score",
    )
    save_logits: str = _field(
        "plain",
        "Logits kept on disk: plain (query 0) or all queries.",
        fixed_by="score",
        choices=("plain", "all"),
    )
    signals: str = _field(
        "phi,logits",
        "What is saved of every model, comma separated: phi, logits, another measured signal of "
        "lira_jax/signals/table.py, or one that a recipe of your own brings. More can be added at "
        "any time. Of text the default is phi,token_losses.",
        fixed_by="nothing",
    )
    probes: str = _field(
        "",
        "Examples that are in no training set, scored beside the pool to count false alarms, "
        "comma separated: permuted (pixels in one random order), scaled (normalised inputs times "
        "255), noise (uniform), or other data sets, NAME:PATH such as npz:other.npz, or "
        "tfds:NAME. More can be added at any time.",
        fixed_by="nothing",
    )

    boundary_step: float = _field(
        0.02,
        "Step of the signal boundary_distance towards another class, in the L2 norm of the "
        "normalised input.",
        fixed_by="boundary_distance",
    )
    boundary_steps: int = _field(
        500,
        "Steps after which the search of boundary_distance fails: the example then has none.",
        fixed_by="boundary_distance",
    )
    merlin_scales: str = _field(
        "0.001,0.003,0.01,0.03,0.1",
        "Standard deviations of the noise of the signal merlin on each coordinate of the "
        "normalised input, comma separated; the attack chooses one on other models.",
        fixed_by="merlin",
    )
    score_epochs: str = _field(
        "",
        "Epochs after which lira-train scores all models while they go on, for lira-attack's "
        "--epochs and --stop_at: numbers, comma separated, every:5, or all; empty for none. Of "
        "each, epochs/0020/ has the signals and queries that --signals and --queries name, as the "
        "run has of the finished models; weights are not kept.",
    )
    epoch_queries: int = _field(
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

    strategy: str = _field(
        "auto",
        "How one model's step is lifted to many: loop, unroll, map, vmap, or auto, which times "
        "training steps of each and keeps the fastest in plan.json (in a training of less than "
        "about a minute the usual one: vmap; on a CPU loop for models with convolutions or more "
        "than a million weights).",
        fixed_by="nothing",
        choices=("auto", "loop", "unroll", "map", "vmap"),
    )
    conv_form: str = _field(
        "auto",
        "How a convolution is computed for many models under vmap: plain (whatever jax.vmap makes "
        "of it), grouped (weight gradients by one convolution with batch groups), unrolled (one "
        "weight gradient after the other), shifted (weight gradients as matrix products), patches "
        "(matrix products throughout), onednn (on a CPU by oneDNN, which the extra onednn brings), "
        "or auto (timed with --strategy=auto, else onednn where it is installed, else plain).",
        fixed_by="nothing",
        choices=("auto", "plain", "grouped", "unrolled", "shifted", "patches", "onednn"),
    )
    remat: bool = _field(
        False,
        "Of a gpt, keep the input of each block alone for the backward pass and compute the block "
        "again: less memory, about a third more time.",
        fixed_by="nothing",
    )
    models_per_chunk: int = _field(
        0,
        "Models trained or scored at the same time, all devices together; 0 for a default.",
        fixed_by="nothing",
    )
    data_on: str = _field(
        "device",
        "Where the data are kept: device, or host for data larger than the device's memory, fed "
        "batch by batch.",
        fixed_by="nothing",
        choices=("device", "host"),
    )
    checkpoint_minutes: float = _field(
        5.0,
        "Minutes of training after which the models at work get checkpoints that an interrupted "
        "training resumes from, at the end of the epoch; 0 for none.",
        fixed_by="nothing",
    )
    checkpoint_every: int = _field(
        0, "Epochs after which they get checkpoints too; 0 for none.", fixed_by="nothing"
    )
    log_every: int = _field(
        0,
        "Epochs between lines in metrics.jsonl; 0 for one line when a model is finished.",
        fixed_by="nothing",
    )
    tensorboard: bool = _field(
        False,
        "Also write what goes to metrics.jsonl as TensorBoard event files, "
        "tensorboard/model_0007/ for model 7 (needs TensorBoard, not TensorFlow).",
        fixed_by="nothing",
    )
    score_batch_size: int = _field(
        0,
        "Images of one model in one scoring step, queries counted; 0 for 1024, or for models with "
        "convolutions on a CPU 64.",
        fixed_by="nothing",
    )
