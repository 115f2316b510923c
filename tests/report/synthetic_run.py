"""A small attacked run directory, made without training anything."""

import numpy as np

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.audit import result_tables
from lira_jax.audit.results import Results
from lira_jax.audit.sequence import Request, audit_evidence
from lira_jax.data import dataset as datasets
from lira_jax.data import load
from lira_jax.experiment import Experiment
from lira_jax.interop.arrays import phi_from_logits
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory

NAMES = ("lira_online", "lira_offline", "attack_r", "privacy_risk", "loss")
HOSTILE = "<script>alert(1)</script>&\"'"


def write(
    path,
    *,
    models=8,
    examples=60,
    classes=3,
    images=True,
    targets=None,
    logits=True,
    extras=False,
    class_names=(),
    test_set=True,
    data_path=None,
    short=0,
    seed=0,
):
    """Writes data and a run directory of models that know their members a little better.

    Args:
      targets: positions of the models attacked, all by default.
      logits: whether lira-attack had them.
      extras: also the ablation and the variants of LiRA.
      short: examples, the first, that a single model trained on.
    """
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, examples - classes)])
    x = (
        rng.integers(0, 256, (examples, 6, 6, 3)).astype(np.uint8)
        if images
        else rng.normal(size=(examples, 20))
    )
    arrays = {"x": x, "y": labels} | ({"class_names": np.array(class_names)} if class_names else {})
    data_path = data_path or path.with_suffix(".npz")
    np.savez(data_path, **arrays)

    experiment = Experiment(
        dataset="npz", data_path=str(data_path), num_models=models, queries=2, epochs=5
    )
    run = RunDirectory(path)
    run.settle_experiment(experiment, {"dataset", "data_path", "num_models", "queries", "epochs"})
    run.settle_data(datasets.fingerprint(load.load("npz", str(data_path))), "data")
    keep = rng.random((models, examples)).argsort(0) < models // 2
    keep[:, :short] = np.arange(models)[:, None] == np.arange(short) % models
    run.write("labels.npy", labels.astype(np.int32))
    run.write("keep.npy", keep)
    everything = rng.normal(size=(models, examples, 2, classes)).astype(np.float32)
    everything[:, np.arange(examples), :, labels] += (
        2 + rng.normal(size=examples)[:, None] + 2 * keep.T
    )[:, :, None]
    phi = np.stack([phi_from_logits(z, labels) for z in everything]).astype(np.float32)
    for model in range(models):
        run.write(layout.POOL.signal("phi", model), phi[model])
        run.write(layout.POOL.signal("logits", model), everything[model, :, 0])
    run.append_metrics(
        [
            {
                "model": m,
                "epoch": 5,
                "loss": 0.1,
                "train_accuracy": 0.9,
                "out_accuracy": 0.8,
                "test_accuracy": 0.7 if test_set else None,
                "diverged": None,
                "chunk_models": models,
                "chunk_seconds": 4.0,
            }
            for m in range(models)
        ]
    )

    signals = {"phi": phi, "logits": everything[:, :, 0]} if logits else {"phi": phi}
    attacked = Inside(np.arange(models) if targets is None else np.array(targets))
    evidence = Evidence.of_arrays(labels, keep, attacked, **signals)
    names = [n for n in NAMES if logits or n.startswith("lira")]
    request = Request(
        names,
        ablation=extras,
        num_shadows=(4, 6) if extras else (),
        num_queries=(1, 2) if extras else (),
        statistics=extras,
    )
    everybody = tuple(range(models))
    results = audit_evidence(evidence, request, Results(everybody, everybody), save=run.write)
    result_tables.write(results, run)
    return run
