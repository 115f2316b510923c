import dataclasses

import numpy as np
import pytest
from audit.small_evidence import small_evidence

from lira_jax.attacks.selection import on_signals
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.table import ATTACKS
from lira_jax.audit.attacks import CannotBeMade, run_attacks
from lira_jax.audit.model_facts import model_facts
from lira_jax.errors import UserError


def refuse(evidence):
    raise UserError("too few of something")


LABELS = small_evidence().labels
TABLE = {**ATTACKS, "broken": dataclasses.replace(ATTACKS["loss"], run=refuse)}


def test_scores_are_saved_and_assessed():
    evidence, saved = small_evidence(), {}
    found = run_attacks(evidence, TABLE, ["loss", "phi"], saved.__setitem__, skip_failures=False)
    assert found.keys() == saved.keys() == {"loss", "phi"}
    np.testing.assert_array_equal(saved["phi"], evidence.signals["phi"][:, :, 0])
    scores, members = saved["loss"], evidence.members
    beats = scores[members][:, None] > scores[~members]
    ties = scores[members][:, None] == scores[~members]
    assert found["loss"].metrics["auc"].value == pytest.approx((beats + ties / 2).mean())
    right = (evidence.signals["logits"].argmax(-1) == evidence.labels) & members
    assert found["loss"].correct.num_members == right.sum()


def short_evidence():
    """16 examples of 120 have a single model in, and 4 none."""
    evidence = small_evidence()
    keep = evidence.keep.copy()
    keep[:, :16] = np.arange(8)[:, None] == np.arange(16) % 8
    keep[:, 16:20] = False
    return dataclasses.replace(evidence, keep=keep)


def test_examples_with_too_few_scores_are_left_out_and_counted_aloud(capsys):
    evidence, saved = short_evidence(), {}
    names = ["loss", "lira_online", "lira_online_diagonal", "lira_offline", "rmia_online"]
    found = run_attacks(evidence, TABLE, names, saved.__setitem__, skip_failures=False)
    notes = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert notes == [
        "lira_online, lira_online_diagonal: 20 of 120 examples have fewer than 2 in or out scores; "
        "they are left out",
        "rmia_online: 20 of 120 examples have no in or out scores; they are left out",
    ]
    scored = np.arange(120) >= 20
    rest = evidence.select(scored)
    expected = run_attacks(rest, TABLE, names, lambda *_: None, skip_failures=False)
    for name in names:
        short = name in ("lira_online", "lira_online_diagonal", "rmia_online")
        assert found[name].num_unscored == (20 if short else 0)
        assert np.isnan(saved[name]).any() == short
        if short:
            assert np.isnan(saved[name][:, ~scored]).all()
            one = dataclasses.replace(found[name], num_unscored=0)
            assert repr(one) == repr(expected[name])


def test_an_attack_without_a_score_left_is_passed_over_or_refused(capsys):
    evidence = short_evidence().select(np.arange(20))
    found = run_attacks(
        evidence, TABLE, ["lira_online", "loss"], lambda *_: None, skip_failures=True
    )
    assert found.keys() == {"loss"}
    assert "left out lira_online: no example has 2 in and 2 out" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"^--attacks=lira_online: no example has 2 in and 2 out"):
        run_attacks(evidence, TABLE, ["lira_online"], lambda *_: None, skip_failures=False)


def test_an_attack_that_cannot_be_run_is_passed_over_aloud_or_refused(capsys):
    evidence, saved = small_evidence(), {}
    names = ["broken", "loss"]
    found = run_attacks(evidence, TABLE, names, saved.__setitem__, skip_failures=True)
    assert found.keys() == saved.keys() == {"loss"}
    assert "left out broken: too few of something" in capsys.readouterr().err
    saved.clear()
    with pytest.raises(CannotBeMade, match=r"^--attacks=broken: too few of something") as caught:
        run_attacks(evidence, TABLE, names, saved.__setitem__, skip_failures=False)
    assert caught.value.others.keys() == saved.keys() == {"loss"}  # though broken comes first
    assert repr(caught.value.others) == repr(found)


def test_attacks_that_lack_the_same_are_one_note(capsys):
    evidence = small_evidence()
    phi = dataclasses.replace(evidence, signals=Signals({"phi": evidence.signals["phi"]}, LABELS))
    names = ["loss", "entropy", "confidence"]
    found = run_attacks(phi, TABLE, names, lambda *_: None, skip_failures=True)
    assert list(found) == ["loss"]
    notes = [x for x in capsys.readouterr().err.splitlines() if x.startswith("left out")]
    assert notes == [
        "left out entropy, confidence: it needs the signal logits, which is not saved: run "
        "lira-score --signals=phi,logits"
    ]


def test_where_no_attack_can_be_made_the_error_names_some_that_can():
    evidence = small_evidence()
    own = dataclasses.replace(evidence, signals=Signals({"mine": evidence.signals["phi"]}, LABELS))
    with pytest.raises(UserError, match=r"--attacks: none .*signal phi, .*") as caught:
        run_attacks(own, TABLE, ["loss", "phi", "entropy"], lambda *_: None, skip_failures=True)
    assert "\n" not in str(caught.value)
    advised = str(caught.value).rpartition("--attacks=")[2].split(",")
    table = {**TABLE, **on_signals(advised, TABLE)}
    assert list(run_attacks(own, table, advised, lambda *_: None, skip_failures=False)) == advised


def test_an_attack_whose_scores_are_all_nan_is_one_that_cannot_be_made(capsys):
    """As on distances to the boundary that no search has found, of any example or of any member."""
    evidence, saved = small_evidence(), {}

    def without(lost):
        return dataclasses.replace(TABLE["loss"], run=lambda e: np.where(lost, np.nan, 1.0))

    nobody = np.ones((8, 120), bool)
    table = {
        **TABLE,
        "none": without(nobody),
        "no_members": without(evidence.members),
        "one_target_less": without(nobody & (np.arange(8) == 3)[:, None]),
    }
    names = ["none", "no_members", "loss", "one_target_less"]
    found = run_attacks(evidence, table, names, saved.__setitem__, skip_failures=True)
    assert found.keys() == saved.keys() == {"loss", "one_target_less"}
    told = capsys.readouterr().err
    assert "no example has a score: what it looks at is NaN for all of them" in told
    assert "no member has a score" in told
    with pytest.raises(CannotBeMade, match="--attacks=none: no example has a score"):
        run_attacks(evidence, table, ["none", "loss"], lambda *_: None, skip_failures=False)


def test_scores_that_say_nothing_are_named(capsys):
    evidence = small_evidence()
    constant = dataclasses.replace(TABLE["loss"], run=lambda e: np.zeros((8, 120)))
    table = {**TABLE, "loss": constant, "zero_r": dataclasses.replace(constant)}
    names = ["loss", "phi", "zero_r"]
    run_attacks(evidence, table, names, lambda *_: None, skip_failures=False)
    told = capsys.readouterr().err
    assert "loss: every example has one and the same score, which says nothing of any" in told
    assert "zero_r" not in told
    assert "phi" not in told


@pytest.mark.parametrize("name", ["lira_online", "class_entropy"])
def test_an_attack_that_needs_no_whole_logits_has_them_read_model_by_model(name):
    """So that 256 models x 50000 examples x 1000 classes do not take 51 GB."""

    class ByModel(Signals):
        def __getitem__(self, wanted):
            assert wanted != "logits", "all logits are read at once"
            return super().__getitem__(wanted)

    whole = small_evidence()
    saved = {signal: list(whole.signals[signal]) for signal in ("phi", "logits")}
    evidence = dataclasses.replace(whole, signals=ByModel(saved, LABELS))
    found, expected = (
        repr(run_attacks(e, ATTACKS, [name], lambda *_: None, skip_failures=False))
        for e in (evidence, whole)
    )
    assert found == expected
    assert repr(model_facts(evidence)) == repr(model_facts(whole))
