"""Which examples are attacked, and from which attacks learn."""

import numpy as np
import pytest
from runs.evidence_test import LABELS, scored_run

from lira_jax.attacks.class_thresholds import class_thresholds
from lira_jax.attacks.options import with_options
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.table import ATTACKS
from lira_jax.errors import UserError
from lira_jax.interop.evidence import read_own
from lira_jax.runs.layout import KEEP, POOL, REFERENCE

N = len(LABELS)
JUDGED, KNOWN = np.arange(N) < 70, np.arange(N) >= 60


@pytest.fixture
def files(tmp_path):
    """Files that name the first 70 examples, and those from 60 on, and from 70 on."""
    for name, mask in (("judged", JUDGED), ("known", KNOWN), ("rest", ~JUDGED)):
        np.save(tmp_path / f"{name}.npy", mask)
    return {name: str(tmp_path / f"{name}.npy") for name in ("judged", "known", "rest")}


def test_some_examples_are_attacked_as_they_are_among_all(tmp_path, files):
    run, e = scored_run(tmp_path / "run")
    whole = read_own([(run, e)]).loaded
    part = read_own([(run, e)], judged=files["judged"]).loaded
    np.testing.assert_array_equal(part.examples, JUDGED)
    for name in ("lira_offline", "watson_phi", "loss"):
        expected = ATTACKS[name].run(whole.evidence)[:, JUDGED]
        np.testing.assert_allclose(ATTACKS[name].run(part.evidence), expected)
    np.testing.assert_array_equal(part.evidence.members, whole.evidence.members[:, JUDGED])


def test_attacks_learn_from_the_examples_that_are_named_alone(tmp_path, files):
    run, e = scored_run(tmp_path / "run")
    loaded = read_own([(run, e)], judged=files["judged"], known=files["known"]).loaded
    before = ATTACKS["class_confidence"].run(loaded.evidence)
    for model in range(e.num_models):  # what they say of the others does not count
        logits = run.read(POOL.signal("logits", model)).copy()
        logits[~(JUDGED | KNOWN)] = 99
        run.remove(POOL.signal("logits", model))
        run.write(POOL.signal("logits", model), logits)
    again = read_own([(run, e)], judged=files["judged"], known=files["known"]).loaded
    np.testing.assert_array_equal(ATTACKS["class_confidence"].run(again.evidence), before)
    assert (
        loaded.examples_sha256
        != read_own([(run, e)], judged=files["judged"]).loaded.examples_sha256
    )


def other_masks(run, part):
    """Gives the models of a run members among some of the examples."""
    keep = np.random.default_rng(1).random((8, N)) < 0.5
    run.remove(KEEP)
    run.write(KEEP, keep & part)
    return keep & part


def test_one_shadow_model_with_members_and_non_members_of_its_own(tmp_path, files):
    run, e = scored_run(tmp_path / "targets")
    other, _ = scored_run(tmp_path / "shadows", seed=5)
    members, known = other_masks(run, JUDGED), other_masks(other, ~JUDGED)
    flags = {"shadows": str(other.path), "judged": files["judged"], "known": files["rest"]}
    loaded = read_own([(run, e)], **flags).loaded
    np.testing.assert_array_equal(loaded.evidence.members, members[:, JUDGED])
    name = "class_modified_entropy+shadows=1"
    found = with_options([name], ATTACKS)[name].run(loaded.evidence)
    for t in range(8):  # target t has the thresholds of shadow model t alone
        own, shadow = run.read(POOL.signal("logits", t)), other.read(POOL.signal("logits", t))
        metric = statistics.modified_entropy(shadow, LABELS)[~JUDGED]
        limits = class_thresholds(metric, known[t, ~JUDGED], LABELS[~JUDGED], 3)
        expected = statistics.modified_entropy(own, LABELS)[JUDGED] - limits[LABELS[JUDGED]]
        np.testing.assert_allclose(found[t], expected, atol=1e-6)


def test_a_shadow_model_that_trained_on_what_is_judged_is_refused(tmp_path, files):
    run, e = scored_run(tmp_path / "targets")
    other, _ = scored_run(tmp_path / "shadows")
    other_masks(other, KNOWN)
    flags = {"shadows": str(other.path), "known": files["known"]}
    with pytest.raises(UserError, match="of the 70 examples that are judged"):
        read_own([(run, e)], judged=files["judged"], **flags)
    with pytest.raises(UserError, match="say by --examples which others are attacked"):
        read_own([(run, e)], **flags)
    with pytest.raises(UserError, match="other data or masks"):
        read_own([(run, e)], shadows=str(other.path))


def test_the_reference_set_of_a_defence_is_not_attacked(tmp_path, files):
    run, e = scored_run(tmp_path / "run")
    run.write(REFERENCE, KNOWN)
    loaded = read_own([(run, e)]).loaded
    np.testing.assert_array_equal(loaded.examples, ~KNOWN)
    loaded = read_own([(run, e)], judged=files["judged"]).loaded
    np.testing.assert_array_equal(loaded.examples, JUDGED & ~KNOWN)
    with pytest.raises(UserError, match="none of its examples is attacked"):
        read_own([(run, e)], judged=files["rest"])


def test_disjoint_masks_name_what_is_learned_from_themselves(tmp_path, files):
    run, e = scored_run(tmp_path / "run", kind="disjoint")
    with pytest.raises(UserError, match="with disjoint masks"):
        read_own([(run, e)], known=files["known"])
    whole = read_own([(run, e)]).loaded
    part = read_own([(run, e)], judged=files["judged"]).loaded
    np.testing.assert_array_equal(part.examples, whole.examples & JUDGED)
    expected = ATTACKS["class_confidence"].run(whole.evidence)[:, JUDGED[whole.examples]]
    np.testing.assert_array_equal(ATTACKS["class_confidence"].run(part.evidence), expected)
