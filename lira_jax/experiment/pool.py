"""The settings of an experiment that say which examples there are, and who trains on them."""

import dataclasses

from lira_jax.experiment.field import field


@dataclasses.dataclass(frozen=True)
class Data:
    """Which examples there are."""

    dataset: str = field(
        "digits",
        "Data set: digits (ships with scikit-learn), tfds:NAME, or another name in the table of "
        "lira_jax/data/load.py, such as npz, folder, cifar10 or purchase100.",
    )
    data_path: str = field(
        "",
        "File or folder the data set is read from; unused by digits and tfds. Of a run that has "
        "begun, where the same data are now.",
        fixed_by="data",
    )
    data_dir: str = field(
        "",
        "Folder of prepared tensorflow-datasets; empty for the library's default.",
        fixed_by="data",
    )
    splits: str = field(
        "", "tfds splits that form the membership pool, joined by +; empty for train."
    )
    test_splits: str = field(
        "", "tfds splits that form the test set, joined by +; empty for test if it exists."
    )
    unit: str = field(
        "line",
        "Of text, what carries a membership bit: line, document, or window:LENGTH, pieces of the "
        "whole text of so many tokens, such as window:128.",
    )
    tokenizer: str = field(
        "bytes",
        "Of text: bytes, bpe:SIZE (byte pair encoding trained on the pool, such as bpe:4096), a "
        "tokenizer.json, or a folder with vocab.json and merges.txt.",
    )
    context: int = field(
        128, "Of lines and documents, the most tokens of a sequence; longer ones become several."
    )
    image_size: int = field(
        0,
        "Of --dataset=folder, pixels each way that images get: the square in the middle is cut out "
        "and scaled. 0 leaves them as they are, and they must be of one size.",
    )
    num_examples: int = field(
        0,
        "Size of the membership pool in examples, drawn at random by --seed; 0 for all there are. "
        "Outliers that are inserted come on top.",
    )
    drop_duplicates: bool = field(
        False,
        "Remove every example that exactly equals an earlier one, and of text every sequence that "
        "shares 13 words in a row with an earlier one (copies corrupt membership truth).",
    )
    normalize: str = field(
        "auto",
        "Scaling of the inputs: pixel (x / 127.5 - 1), standard (zero mean and unit variance, per "
        "channel or feature, over the pool), none, or auto (pixel for uint8 images that reach 128, "
        "standard otherwise), which training replaces by what it has chosen.",
        choices=("auto", "pixel", "standard", "none"),
    )
    outliers: int = field(
        0, "Outliers of each kind that are put into the pool, as --outliers_mode says; 0 for none."
    )
    outliers_from: str = field(
        "",
        "Kinds of outliers, comma separated: random_labels (wrong labels), or other data sets, "
        "NAME:PATH such as npz:other.npz, or tfds:NAME. Of a run that has begun, where the same "
        "data are now.",
        fixed_by="data",
    )
    outliers_mode: str = field(
        "replace",
        "What --outliers does: replace (outliers take the places of random examples of the pool, "
        "those with wrong labels are examples of the pool) or insert (they are added to the pool, "
        "those with wrong labels come from the test set and leave it; LiRA VII-B).",
        choices=("replace", "insert"),
    )
    seed: int = field(
        0, "Seed of masks, initial weights, batches and augmentation; an integer >= 0."
    )


@dataclasses.dataclass(frozen=True)
class Masks:
    """Who is in which training set."""

    num_models: int = field(64, "Number of shadow models.")
    masks: str = field(
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
    pkeep: float = field(
        0.5,
        "Fraction of the pool (disjoint: of its half) that each model trains on, between 0 and 1.",
    )
