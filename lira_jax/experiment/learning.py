"""The settings of an experiment that say what is trained, and how."""

import dataclasses
from typing import Any

from lira_jax.experiment.field import field


@dataclasses.dataclass(frozen=True)
class Model:
    """The network of one model."""

    model: str = field(
        "mlp",
        "Model family (see lira_jax/models/table.py), or package.module:function of your own.",
    )
    depth: int = field(
        0,
        "Layers of wide_resnet (6n+4), resnet, resnet_cifar (6n+2), resnet_cifar_bottleneck (9n+2) "
        "or densenet (6n+4); 0 for the family's default.",
    )
    width: int = field(
        0, "Width factor of wide_resnet, filters of cnn, growth of densenet; 0 for default."
    )
    hidden: tuple[int, ...] = field(
        (512, 256), "Units of each hidden layer of mlp, comma separated."
    )
    positions: str = field(
        "learned", "How a gpt knows of positions.", choices=("learned", "rotary")
    )
    activation: str = field("relu", "Activation function of mlp.", choices=("relu", "tanh"))
    initial: str = field(
        "lecun_normal",
        "How the weights of mlp begin: lecun_normal, or glorot_uniform as in Keras.",
        choices=("lecun_normal", "glorot_uniform"),
    )
    dropout: float = field(
        0.0,
        "Fraction of activations that are dropped in training: after each hidden layer of mlp, "
        "inside the blocks of wide_resnet, of a gpt's embeddings, what its layers add to them and "
        "the weights of its attention, before the last layer of others; in [0, 1).",
    )
    drop_connect: float = field(
        0.0,
        "Fraction of examples for which the last block of efficientnet is passed over in training, "
        "earlier blocks in proportion to their place (stochastic depth); in [0, 1).",
    )
    norm: str = field(
        "batch",
        "Normalisation of wide_resnet, resnets, densenet and efficientnet: batch (BatchNorm), or "
        "group (GroupNorm, 16 groups, which sees one example at a time, as dp_sgd needs).",
        choices=("batch", "group"),
    )


@dataclasses.dataclass(frozen=True)
class Training:
    """How one model is trained."""

    recipe: str = field(
        "",
        "Training step of your own, package.module:function (see docs/extending.md); empty for "
        "the supervised one, which all other flags of training describe.",
    )
    epochs: int = field(100, "Length of training in epochs (passes over the model's own members).")
    batch_size: int = field(64, "Examples in one training step of one model.")
    optimizer: str = field(
        "sgd",
        "Optimiser of every model: sgd, adam, or adamw, whose weight decay passes its moments by.",
        choices=("sgd", "adam", "adamw"),
    )
    learning_rate: float = field(
        0.1, "Learning rate that schedule and warm-up multiply; the peak where they are 1."
    )
    drop_last: bool = field(
        False,
        "Leave out of each epoch the members that fill no whole batch, others each time, as many "
        "codes do; otherwise batches go on into the next epoch's order.",
    )
    momentum: float = field(0.9, "Momentum of sgd (heavy ball), or beta1 of adam and adamw.")
    beta2: float = field(0.999, "beta2 of adam and adamw.")
    nesterov: bool = field(False, "Nesterov momentum for sgd.")
    schedule: str = field(
        "cosine",
        "Learning rate over t in [0, 1]: cosine (to 0), reference (cos(7 pi t / 16), warm-up over "
        "the first 1 %), linear (to 0), constant, step (times --drop_factor after each of "
        "--drops).",
        choices=("cosine", "reference", "linear", "constant", "step"),
    )
    drops: tuple[int, ...] = field(
        (), "Epochs after which --schedule=step lowers the learning rate, such as 81,122."
    )
    drop_factor: float = field(0.1, "What --schedule=step multiplies the learning rate by.")
    warmup: float = field(
        0.0,
        "Fraction of training over which the learning rate rises linearly; reference always takes "
        "0.01.",
    )
    weight_decay: float = field(
        5e-4,
        "L2 penalty: the loss gains weight_decay / 2 * |parameters|^2. Of adamw: each step takes "
        "learning rate * weight_decay * parameters away.",
    )
    decayed: str = field(
        "kernels",
        "Parameters that weight_decay is about: kernels (of dense and convolutional layers), or "
        "all (also biases and what normalisation learns).",
        choices=("kernels", "all"),
    )
    clip_norm: float = field(
        0.0,
        "Largest L2 norm of a step's mean gradient, all parameters together; a longer one is "
        "scaled down to it; 0 for no bound.",
    )
    label_smoothing: float = field(
        0.0, "Probability mass moved from the label to all classes alike, in [0, 1)."
    )
    augment: str = field(
        "none",
        "Augmentation drawn anew in each step: none, mirror, mirror_shift or mirror_shift_cutout.",
        choices=("none", "mirror", "mirror_shift", "mirror_shift_cutout"),
    )
    shift: int = field(
        4, "Largest shift of the training augmentation in pixels, into what --padding says."
    )
    padding: str = field(
        "reflect",
        "What a shift in training brings in at the border: reflect (the image mirrored) or zero "
        "(black). Queries are always mirrored in.",
        choices=("reflect", "zero"),
    )
    cutout: int = field(8, "Side of the square that cutout blanks, in pixels.")
    rotation: float = field(
        0.0, "Largest angle by which images are turned in training, in degrees; 0 for none."
    )
    colour_jitter: float = field(
        0.0,
        "Largest relative change of brightness, contrast and saturation of images in training, in "
        "[0, 1]; 0 for none.",
    )
    mixup: float = field(
        0.0,
        "alpha of mixup: examples of a batch are averaged in pairs with a weight from Beta(alpha, "
        "alpha), their losses too; 0 for none.",
    )
    cutmix: float = field(
        0.0,
        "Fraction of batches in which CutMix pastes a box of another image of the batch into each; "
        "0 for none.",
    )
    compute_dtype: str = field(
        "float32",
        "Number format of the forward and backward pass; weights and logits stay float32.",
        choices=("float32", "bfloat16"),
    )


@dataclasses.dataclass(frozen=True)
class Defence:
    """What training does against membership inference (docs/defences.md)."""

    defence: str = field(
        "",
        "Defences in training, NAME or NAME:VALUE, comma separated; they go before the flags that "
        "they set.",
    )
    dp_clip: float = field(
        1.0, "dp_sgd: largest norm of an example's gradient, over all parameters together."
    )
    dp_noise: float = field(
        1.0,
        "dp_sgd: standard deviation of the noise in multiples of --dp_clip; 0 for clipping alone.",
    )
    dp_epsilon: float = field(
        0.0,
        "dp_sgd: the epsilon that --dp_noise is chosen for when training begins, such as 8 (needs "
        "the extra dp); 0 for the noise that is given.",
    )
    dp_delta: float = field(1e-5, "dp_sgd: delta of the epsilon that is printed, a probability.")
    dp_batches: str = field(
        "poisson",
        "dp_sgd: how batches are drawn. poisson: each step takes each member with probability "
        "batch_size / members, into a batch with room to spare. shuffled: an epoch is one pass, "
        "its last batch short.",
        choices=("poisson", "shuffled"),
    )
    adv_weight: float = field(
        3.0,
        "adversarial_regularization: lambda, the weight of the attack's gain in the classifier's "
        "loss.",
    )
    adv_attack_steps: int = field(
        2,
        "adversarial_regularization: steps that train the attack, after which 2 train the "
        "classifier. Epochs count both.",
    )
    adv_objective: str = field(
        "code",
        "adversarial_regularization: code (the attack sees logits, by squared errors) or paper "
        "(probabilities, by logarithms).",
        choices=("code", "paper"),
    )
    adv_network: str = field(
        "purchase",
        "adversarial_regularization: the attack's layers and learning rate, as for Purchase100 or "
        "Texas100.",
        choices=("purchase", "texas"),
    )
    reference: str = field(
        "",
        "The defender's own non-members: a .npy file with bool [examples of the pool], or their "
        "numbers. No model may train on them (--masks=file:PATH), and they are not attacked. "
        "adversarial_regularization takes its non-members from them, and --release=memguard and "
        "laplace theirs; without it, from all that a model does not train on.",
    )
    dp_block: int = field(
        0,
        "dp_sgd: examples of a model whose gradients are in memory at a time; 0 for as many as "
        "64 MB hold, or 4 MB on a CPU. The mlp's gradients are never held one by one.",
        fixed_by="nothing",
    )


@dataclasses.dataclass(frozen=True)
class Targets:
    """In what the targets' recipe differs from the shadow models' (LiRA VI-E)."""

    target_recipe: tuple[tuple[str, Any], ...] = field(
        (),
        "Flagfile with the flags of model and training in which targets differ from the shadow "
        "models, such as --model=cnn and --hidden=64. With it, targets are trained besides the "
        "shadow models, with the same data, masks and seed, in the run directory targets/ inside "
        "--workdir, and attacked with them (LiRA VI-E). In another family than the shadow models', "
        "they take the defaults of depth, width, hidden and activation. Empty for no such targets.",
    )
