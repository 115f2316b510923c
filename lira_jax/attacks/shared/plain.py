"""Saved signals of the plain query alone: their second axis is that of features, if they have one.

Any other signal is [models, examples, queries, ...].
"""

PLAIN = (
    "logits",
    "gradient_norms_w",
    "gradient_norms_x",
    "boundary_distance",
    "merlin",
    "layers",
    "layer",
    "num_tokens",
    "zlib_bytes",
)

MAY_FAIL = ("boundary_distance",)
"""NaN where a model has none of an example; the model is sound all the same."""

ARGUMENT = "="
"""Before what a signal is asked about, as in layer=Dense_0."""


def is_plain(name: str) -> bool:
    """Whether a signal is of the plain query alone."""
    return name.partition(ARGUMENT)[0] in PLAIN
