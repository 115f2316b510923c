"""Static figures, each saved as PNG and PDF."""

from collections.abc import Callable

import matplotlib

matplotlib.use("Agg")  # no display is needed, or looked for
import matplotlib.pyplot as plt
import numpy as np

# Okabe and Ito's colours, which the colour-blind can tell apart, then dashed once more.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SUFFIXES = (".png", ".pdf")


def save(figure: plt.Figure, replacing: Callable, name: str) -> None:
    """Saves a figure as report/NAME.png and .pdf, whole or not at all, and closes it.

    Args:
      replacing: RunDirectory.replacing.
    """
    for suffix in SUFFIXES:
        with replacing(f"report/{name}{suffix}") as path:
            figure.savefig(path, dpi=150, format=suffix[1:], bbox_inches="tight")
    plt.close(figure)


def roc(curves: dict[str, tuple[np.ndarray, np.ndarray, float]], lowest_fpr: float) -> plt.Figure:
    """Log-log ROC of the attacks (LiRA figure 1 and VI-A), with the diagonal of guessing.

    Args:
      curves: attack -> (fpr, tpr, auc).
      lowest_fpr: smallest false-positive rate that can be resolved, where the axes begin.
    """
    figure, axes = plt.subplots(figsize=(6.4, 5.2))
    floor = 10 ** np.floor(np.log10(lowest_fpr))
    axes.plot([floor, 1], [floor, 1], color="grey", linestyle=":", label="guessing")
    for i, (name, (fpr, tpr, auc)) in enumerate(curves.items()):
        style = ("-", "--", "-.")[i // len(_COLOURS) % 3]
        axes.step(fpr, tpr, where="post", color=_COLOURS[i % len(_COLOURS)], linestyle=style, linewidth=1.4,
                  label=f"{name} (AUC {auc:.3f})")  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor, 1),
        xlabel="false positive rate", ylabel="true positive rate",
    )  # fmt: skip
    axes.grid(which="major", alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    return figure


def exposure_histograms(
    phi: np.ndarray, keep: np.ndarray, labels: np.ndarray, exposure: np.ndarray, x: np.ndarray | None, shown: int = 4
) -> plt.Figure:
    """Histograms of phi in models that did and did not train on an example (LiRA figure 3).

    Top row: the most exposed examples; bottom row: the least exposed; each with the fitted Gaussians.

    Args:
      phi: [models, examples], the plain query.
      keep: bool [models, examples].
      labels: int [examples].
      exposure: [examples], as evaluation.exposure gives it.
      x: [examples, H, W, C] to draw the image in the corner, or None.
      shown: examples a row.
    """
    order = np.argsort(-exposure, kind="stable")
    shown = min(shown, len(order) // 2)
    figure, axes = plt.subplots(2, shown, figsize=(3 * shown, 5), squeeze=False, layout="constrained")
    for row, (what, examples) in enumerate((("most", order[:shown]), ("least", order[-shown:]))):
        for axis, i in zip(axes[row], examples, strict=True):
            _in_out(axis, phi[keep[:, i], i], phi[~keep[:, i], i])
            axis.set_title(f"{what} exposed: example {i}, label {labels[i]}\nexposure {exposure[i]:.2f}", fontsize=8)
            if x is not None:
                corner = axis.inset_axes([0.02, 0.68, 0.3, 0.3])
                corner.imshow(_picture(x[i]), cmap="gray")
                corner.axis("off")
    axes[0, 0].legend(fontsize=7, loc="upper right")
    figure.supxlabel("phi, the scaled logit", fontsize=9)
    return figure


def _in_out(axis, inside: np.ndarray, outside: np.ndarray) -> None:
    edges = np.histogram_bin_edges(np.concatenate([inside, outside]), bins=20)
    line = np.linspace(edges[0], edges[-1], 200)
    for values, colour, label in ((inside, _COLOURS[0], "in"), (outside, _COLOURS[1], "out")):
        axis.hist(values, bins=edges, density=True, alpha=0.5, color=colour, label=label)
        spread = max(values.std(), 1e-6)
        axis.plot(
            line, np.exp(-0.5 * ((line - values.mean()) / spread) ** 2) / spread / np.sqrt(2 * np.pi), color=colour
        )
    axis.set_yticks([])


def _picture(image: np.ndarray) -> np.ndarray:
    """An image as matplotlib draws it: [H, W] or [H, W, 3] in 0..1."""
    image = image.astype(np.float64)
    low, high = image.min(), image.max()
    if image.dtype != np.uint8 and (low < 0 or high > 255):
        image = (image - low) / max(high - low, 1e-12) * 255
    image = image / 255 if high > 1 else image
    return image[..., 0] if image.shape[-1] != 3 else image
