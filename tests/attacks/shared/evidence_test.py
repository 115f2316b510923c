"""Evidence reads what is asked for, and its parts are parts of it. targets_test.py has the kinds of
targets."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Counterparts, Inside, Outside
from lira_jax.errors import UserError

RNG = np.random.default_rng(0)
LABELS = np.arange(7) % 3
KEEP = RNG.random((5, 7)) < 0.5
PHI = RNG.normal(size=(5, 7, 2)).astype(np.float32)
LOGITS = RNG.normal(size=(5, 7, 3)).astype(np.float32)
THEIRS = Signals({"phi": PHI[:2] + 1, "logits": LOGITS[:2] + 1}, LABELS)
KINDS = {
    "inside": Inside(np.array([4, 0, 2])),
    "outside": Outside(THEIRS, KEEP[:2]),
    "counterparts": Counterparts(THEIRS, np.array([3, 1])),
}


def evidence(kind="inside"):
    return Evidence.of_arrays(LABELS, KEEP, KINDS[kind], phi=PHI, logits=LOGITS)


@settings(max_examples=30)
@given(
    kind=st.sampled_from(list(KINDS)),
    examples=st.sets(st.integers(0, 6), min_size=1),
    models=st.permutations(range(5)).flatmap(lambda p: st.integers(1, 5).map(lambda n: p[:n])),
)
def test_models_of_examples_are_examples_of_models(kind, examples, models):
    examples, models = np.array(sorted(examples)), np.array(models)
    first = evidence(kind).select(examples).models(models)
    second = evidence(kind).models(models).select(examples)
    for a, b in ((first, second), (second, first)):
        np.testing.assert_array_equal(a.labels, LABELS[examples])
        np.testing.assert_array_equal(a.keep, KEEP[models][:, examples])
        np.testing.assert_array_equal(a.signals["phi"], PHI[models][:, examples])
        np.testing.assert_array_equal(a.members, b.members)
        assert a.targets.number == b.targets.number
        if a.targets.number:
            np.testing.assert_array_equal(a.of_targets("logits"), b.of_targets("logits"))


class Damaged:
    """A signal's dumps, of which that of a model cannot be read; it counts what is read."""

    def __init__(self, arrays, bad=None):
        self.arrays, self.bad, self.reads = arrays, bad, []

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, model):
        self.reads.append(int(model))
        if model == self.bad:
            raise UserError(f"{model:04d}.npy does not match its sha256")
        return self.arrays[model]


def saved(bad=None):
    files = {"phi": Damaged(PHI, bad), "logits": Damaged(LOGITS)}
    return files, dataclasses.replace(evidence(), signals=Signals(files, LABELS))


def test_what_attacks_need_is_read_first_once_and_nothing_else():
    files, e = saved()
    e.read(["phi", "phi", "signal_of_another_run"])
    assert files["phi"].reads == [0, 1, 2, 3, 4]
    assert files["logits"].reads == []
    np.testing.assert_array_equal(e.of_targets("phi"), PHI[[4, 0, 2]])
    assert len(files["phi"].reads) == 5


def test_a_damaged_file_is_found_before_anything_is_computed():
    with pytest.raises(UserError, match=r"0003.npy does not match"):
        saved(bad=3)[1].read(["logits", "phi"])
    outside = dataclasses.replace(
        evidence(), targets=Outside(Signals({"phi": Damaged(PHI[:2], bad=1)}, LABELS))
    )
    with pytest.raises(UserError, match=r"0001.npy does not match"):  # of a target
        outside.read(["phi"])


def test_derived_signals_are_offered_of_arrays_too():
    hinge = evidence().signals["hinge"]
    others = np.where(np.arange(3) == LABELS[:, None], -np.inf, LOGITS)
    np.testing.assert_array_equal(
        hinge, LOGITS[:, np.arange(7), LABELS] - others.max(-1).astype(np.float32)
    )
