"""A miniature of each layout, written as its tool writes it."""

import numpy as np

M, N, K = 5, 12, 4
IDS = [0, 2, 3, 9, 10]  # some models are not there; by name 10 comes before 2


def make(queries, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, N)
    logits = rng.normal(0, 3, (M, N, queries, K)).astype(np.float32)
    return (
        rng.random((M, N)) < 0.5,
        labels,
        logits,
        np.array([tools_score(z, labels) for z in logits]),
    )


def tools_score(logits, labels):
    """As all three tools compute it: float32 exponentials, then float64, a floor under the log."""
    p = np.exp(logits - logits.max(-1, keepdims=True)).astype(np.float64)
    p /= p.sum(-1, keepdims=True)
    score = np.empty(p.shape[:2])
    for i in range(len(p)):
        for a in range(p.shape[1]):
            rest = sum(p[i, a, j] for j in range(p.shape[-1]) if j != labels[i])
            score[i, a] = np.log(p[i, a, labels[i]] + 1e-45) - np.log(rest + 1e-45)
    return score


def write_tf_privacy(path, keep, labels, logits, scores, ids=IDS):
    path.mkdir(exist_ok=True)
    np.save(path / "y_train.npy", labels)
    for row in np.random.default_rng(1).permutation(len(ids)):
        folder = path / f"experiment-{ids[row]}_16"
        for name in ("logits", "scores", "ckpt"):
            (folder / name).mkdir(parents=True)
        for epoch in (99, 100):
            of_epoch = logits[row] if epoch == 100 else np.zeros_like(logits[row])
            np.save(folder / f"logits/{epoch:010d}.npy", of_epoch[:, None])
            np.save(folder / f"scores/{epoch:010d}.npy", scores[row] * (epoch == 100))
        np.save(folder / "keep.npy", keep[row])
        (folder / "hparams.json").write_text("{}")
    return path


def write_lira_pytorch(path, keep, labels, logits, scores):
    for row, model in enumerate(IDS):
        folder = path / str(model)
        folder.mkdir(parents=True)
        for name, array in (("keep", keep), ("logits", logits), ("scores", scores)):
            np.save(folder / f"{name}.npy", array[row])
        (folder / "model.pt").touch()
    return path


def write_lira_analysis(path, keep, labels, logits, scores):
    mask = np.zeros((16, N), bool)
    mask[IDS] = keep
    path.mkdir()
    np.save(path / "keep_indices.npy", mask)
    (path / "train_config.yaml").touch()
    for row, model in enumerate(IDS):
        for name, array in (("logits", logits[row][:, None]), ("scores", scores[row])):
            folder = path / f"model_{model}" / name
            folder.mkdir(parents=True)
            np.save(folder / f"{name}.npy", array)
    return path


WRITERS = {
    "tf_privacy": write_tf_privacy,
    "lira_pytorch": write_lira_pytorch,
    "lira_analysis": write_lira_analysis,
}


def ours(layout, array, axis=2):
    """Queries in our order: in the others' grids of 18 the plain one is the fifth of nine."""
    if array.shape[axis] == 1:
        return array
    half = {"lira_pytorch": range(9), "tf_privacy": [4, 0, 1, 2, 3, 5, 6, 7, 8]}
    half["lira_analysis"] = [4, 0, 3, 6, 1, 7, 2, 5, 8]  # transposed
    return np.take(array, [*half[layout], *(9 + q for q in half[layout])], axis)
