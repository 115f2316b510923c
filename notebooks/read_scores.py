"""Reads the dumps of a run with plain numpy and redraws figures 3 and 4 of the LiRA paper (Carlini et al. 2022).

    python notebooks/read_scores.py [RUN [FOLDER_FOR_FIGURES]]      default: runs/digits, RUN/report

The cells (# %%) open as a notebook in Jupyter, VS Code or Spyder. Nothing of lira_jax is needed.
"""

# %% What is in a run directory
import pathlib
import sys

import matplotlib

if "ipykernel" not in sys.modules:
    matplotlib.use("Agg")  # as a script, it needs no display
import matplotlib.pyplot as plt
import numpy as np

arguments = [] if "ipykernel" in sys.modules else sys.argv[1:]
run = pathlib.Path(arguments[0] if arguments else "runs/digits")
out = pathlib.Path(arguments[1]) if len(arguments) > 1 else run / "report"

keep = np.load(run / "keep.npy")  # [models, examples]: was example i in the training set of model m?
labels = np.load(run / "labels.npy")  # [examples]
phi = np.stack([np.load(run / f"scores/{m:04d}.npy")[:, 0] for m in range(len(keep))])  # query 0 is the plain example
print(f"{len(keep)} models, {len(labels)} examples, each in {keep.sum(0).min()} to {keep.sum(0).max()} training sets")

# %% phi is the scaled logit log(p / (1 - p)) of the true class, so it gives the confidence p and the loss -log p
loss = np.logaddexp(0, -phi)
confidence = np.exp(-loss)

# %% How hard an example is to fit, and how far its scores in and out of training lie apart
mean_in, mean_out = phi.mean(0, where=keep), phi.mean(0, where=~keep)
apart = np.abs(mean_in - mean_out) / (phi.std(0, where=keep) + phi.std(0, where=~keep) + 1e-12)
easy = mean_out >= np.quantile(mean_out, 0.75)
hard = mean_out <= np.quantile(mean_out, 0.25)
chosen = {}
for kind, group in (("easy to fit", easy), ("hard to fit", hard)):
    members = np.flatnonzero(group)
    chosen[f"{kind}, tells little"] = members[apart[members].argmin()]
    chosen[f"{kind}, tells much"] = members[apart[members].argmax()]

BLUE, ORANGE = "#0072B2", "#D55E00"


def histograms(axes, values, inside, fit=False):
    """Densities of values in models that trained on the example (blue) and in the others (orange)."""
    edges = np.histogram_bin_edges(values, bins=24)
    line = np.linspace(edges[0], edges[-1], 200)
    for group, colour, name in ((values[inside], BLUE, "in"), (values[~inside], ORANGE, "out")):
        axes.hist(group, edges, density=True, color=colour, alpha=0.5, label=name)
        if fit:
            spread = max(group.std(), 1e-6)
            axes.plot(line, np.exp(-0.5 * ((line - group.mean()) / spread) ** 2) / spread / np.sqrt(2 * np.pi), colour)
    axes.set_yticks([])


# %% Figure 3: four examples, easy or hard to fit, with losses that tell members from non-members or do not
figure, axes = plt.subplots(2, 2, figsize=(7, 5), layout="constrained")
for axis, (title, i) in zip(axes.flat, chosen.items(), strict=True):
    histograms(axis, np.log10(np.maximum(loss[:, i], 1e-12)), keep[:, i])
    axis.set_title(f"{title}\nexample {i}, label {labels[i]}", fontsize=9)
axes[0, 0].legend()
figure.supxlabel("log10 of the loss")
out.mkdir(parents=True, exist_ok=True)
figure.savefig(out / "lira_figure_3.png", dpi=150)

# %% Figure 4: why the logit. Of one example, confidence and loss are far from Gaussian, phi is near it
i = chosen["hard to fit, tells much"]
figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
for axis, (name, values) in zip(
    axes, {"confidence": confidence, "loss": loss, "scaled logit phi": phi}.items(), strict=True
):
    histograms(axis, values[:, i], keep[:, i], fit=True)
    axis.set_title(name, fontsize=9)
axes[0].legend()
figure.suptitle(f"example {i}, label {labels[i]}", fontsize=9)
figure.savefig(out / "lira_figure_4.png", dpi=150)
print(f"wrote {out / 'lira_figure_3.png'} and {out / 'lira_figure_4.png'}")
