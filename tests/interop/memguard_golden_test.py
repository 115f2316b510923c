"""Song and Mittal's saved predictions of Location30: MemGuard's effect, in their protocol.

The data are not ours to give away. SONG_MITTAL_DATA names a folder with location_target.npz,
location_shadow.npz and shuffle_index.npz of the authors' code, and labels.npy, int [5010].
"""

import os
import pathlib

import jax
import numpy as np
import pytest

from lira_jax.attacks.class_thresholds import class_thresholds
from lira_jax.attacks.shared import statistics
from lira_jax.defences import memguard

FOLDER = os.environ.get("SONG_MITTAL_DATA", "")
METRICS = (statistics.log_confidence, statistics.entropy, statistics.modified_entropy)


def accuracies(target, shadow, labels, shadow_labels):
    """Balanced accuracy in percent of correctness and of each metric with a threshold a class."""
    own, known = np.arange(2000) < 1000, np.arange(1000) < 500
    found = [((target.argmax(-1) == labels) == own).mean()]
    for metric in METRICS:
        limits = class_thresholds(metric(shadow, shadow_labels), known, shadow_labels, 30)
        found.append(((metric(target, labels) >= limits[labels]) == own).mean())
    return 100 * np.array(found)


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="SONG_MITTAL_DATA names no folder with the predictions")
def test_memguard_does_to_the_saved_predictions_what_the_paper_says():
    folder = pathlib.Path(FOLDER)
    saved = [np.load(folder / f"location_{name}.npz") for name in ("target", "shadow")]
    (order,) = np.load(folder / "shuffle_index.npz").values()
    y, order = np.load(folder / "labels.npy"), order.ravel()
    labels = y[np.r_[order[:1000], order[2000:3000]]]
    shadow_labels = y[np.r_[order[3000:3500], order[4000:4500]]]
    plain = [s["tc_output_logits"].astype(np.float32) for s in saved]
    theirs = [s["defense_output_logits"] for s in saved]
    # table 4: correctness, confidence, entropy, modified entropy
    found = accuracies(*plain, labels, shadow_labels)
    np.testing.assert_allclose(found, [68.7, 76.3, 61.6, 78.1], atol=0.051)
    found = accuracies(*theirs, labels, shadow_labels)
    np.testing.assert_allclose(found, [68.7, 69.1, 52.1, 68.8], atol=0.11)
    # g of the authors was fitted on other non-members, which are not saved
    net = jax.jit(memguard.fit)(plain[0], np.arange(2000) < 1000, jax.random.key(0))
    noisy = jax.jit(jax.vmap(memguard.noisy, (None, 0)))
    ours = [np.asarray(noisy(net, logits)) for logits in plain]
    for given, logits in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(given.argmax(-1), logits.argmax(-1))
    found = accuracies(*ours, labels, shadow_labels)
    np.testing.assert_allclose(found, [68.7, 69.1, 52.1, 68.8], atol=1.5)
