"""Signals are read when they are asked for, once, and no others with them."""

import numpy as np
import pytest

from lira_jax.attacks.shared import signals as signals_lib
from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.derived import DERIVED
from lira_jax.attacks.shared.signals import Signals
from lira_jax.errors import UserError

LABELS = np.array([0, 1, 2, 0])


class Files:
    """A signal's dumps that count how often each model's is read."""

    def __init__(self, arrays):
        self.arrays, self.reads = arrays, []

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, model):
        self.reads.append(int(model))
        return self.arrays[model]


def saved():
    rng = np.random.default_rng(0)
    return {
        "phi": Files(rng.normal(size=(5, 4, 2)).astype(np.float32)),
        "logits": Files(rng.normal(size=(5, 4, 3)).astype(np.float32)),
    }


def test_a_signal_is_read_once_and_alone():
    files = saved()
    signals = Signals(files, LABELS)
    np.testing.assert_array_equal(signals["phi"], files["phi"].arrays)
    assert signals["phi"] is signals["phi"]
    assert files["phi"].reads == [0, 1, 2, 3, 4]
    assert files["logits"].reads == []


def test_a_statistic_reads_the_logits_model_by_model_once_and_keeps_none_of_them():
    files = saved()
    files["logits"].arrays = files["logits"].arrays.astype(np.float64) * 1e39  # beyond float32
    signals = Signals(files, LABELS)
    found = signals.statistic(statistics.entropy)
    assert signals.statistic(statistics.entropy) is found
    assert files["logits"].reads == [0, 1, 2, 3, 4]
    whole = Signals(files, LABELS)
    _ = whole["logits"]
    np.testing.assert_array_equal(whole.statistic(statistics.entropy), found)
    assert len(files["logits"].reads) == 10
    np.testing.assert_array_equal(signals.row("logits", 3), whole["logits"][3])
    assert len(files["logits"].reads) == 11  # so it was none of those kept
    some = signals.of(models=np.array([3, 1]), examples=np.array([2, 0]))
    np.testing.assert_array_equal(some.statistic(statistics.entropy), found[[3, 1]][:, [2, 0]])
    with pytest.raises(UserError, match="it needs the signal logits"):
        Signals({"phi": files["phi"]}, LABELS).statistic(statistics.entropy)


def test_some_models_and_examples_are_what_indexing_gives_and_only_those_models_are_read():
    files = saved()
    some = Signals(files, LABELS).of(models=np.array([4, 1, 2]))
    some = some.of(examples=np.array([True, False, True, True])).of(models=np.array([2, 0]))
    np.testing.assert_array_equal(some["phi"], files["phi"].arrays[[2, 4]][:, [0, 2, 3]])
    assert files["phi"].reads == [2, 4]
    np.testing.assert_array_equal(some.labels, LABELS[[0, 2, 3]])
    assert some.num_models == 2
    np.testing.assert_array_equal(some.of_model("logits", 0), files["logits"].arrays[2][[0, 2, 3]])


def test_indexing_examples_twice_composes():
    files = saved()
    some = Signals(files, LABELS).of(examples=np.array([3, 1, 0]))
    some = some.of(examples=np.array([False, True, True]))
    np.testing.assert_array_equal(some["phi"], files["phi"].arrays[:, [1, 0]])


def test_arrays_in_memory_are_not_copied():
    phi = np.zeros((2, 4, 1), np.float32)
    assert Signals({"phi": phi}, LABELS)["phi"] is phi


def test_the_plain_query_is_the_first_and_logits_have_no_other():
    files = saved()
    plain = Signals(files, LABELS).plain()
    np.testing.assert_array_equal(plain["phi"], files["phi"].arrays[:, :, :1])
    np.testing.assert_array_equal(plain["logits"], files["logits"].arrays)


def test_mapped_signals_are_made_when_they_are_asked_for():
    files = saved()
    doubled = Signals(files, LABELS).mapped(lambda array: array * 2)
    assert files["phi"].reads == []
    np.testing.assert_array_equal(doubled["phi"], files["phi"].arrays * 2)
    assert files["logits"].reads == []
    np.testing.assert_array_equal(doubled.of_model("phi", 3), files["phi"].arrays[3] * 2)


def test_derived_signals_are_offered_where_what_they_need_is_saved():
    both = Signals(saved(), LABELS)
    of_both = [name for name, line in DERIVED.items() if {*line.needs} <= {"phi", "logits"}]
    assert list(both) == ["phi", "logits", *of_both]
    assert len(both) == 2 + len(of_both)
    phi_alone = Signals({"phi": saved()["phi"]}, LABELS)
    assert list(phi_alone) == ["phi", *(n for n, d in DERIVED.items() if d.needs == ("phi",))]
    assert "confidence" in phi_alone
    assert "hinge" not in phi_alone


def test_a_misspelt_signal_is_told_apart_from_one_that_is_not_saved():
    with pytest.raises(UserError, match=r"no signal hinje: did you mean hinge\?"):
        Signals({"phi": saved()["phi"]}, LABELS)["hinje"]


@pytest.mark.parametrize("name", ["logits", "hinge"])
def test_a_signal_that_is_not_saved_says_how_to_get_it(name):
    with pytest.raises(UserError, match=r"logits, which is not saved.*--signals=phi,logits$"):
        Signals({"phi": saved()["phi"]}, LABELS)[name]


def test_a_run_without_outputs_of_classes_is_not_told_to_save_logits_without_condition():
    own = Signals({"closeness": saved()["phi"]}, LABELS)
    for name in ("phi", "hinge"):
        with pytest.raises(UserError, match=r"closeness,\w+, if the model's outputs are logits"):
            own[name]
    with pytest.raises(UserError, match=r"--signals=closeness,merlin$"):
        own["merlin"]


@pytest.mark.parametrize("together", [1, 24, 30, 10**6])  # logits; a model has 12
def test_a_statistic_does_not_depend_on_how_many_models_are_read_together(together, monkeypatch):
    monkeypatch.setattr(signals_lib, "_TOGETHER", together)
    logits = np.random.default_rng(1).normal(size=(5, 4, 3)).astype(np.float32)
    found = Signals({"logits": Files(logits)}, LABELS).statistic(statistics.entropy)
    np.testing.assert_array_equal(found, statistics.entropy(logits, LABELS))
