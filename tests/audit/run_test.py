import dataclasses
import itertools
import json

import numpy as np
import pytest
from audit.small_evidence import small_evidence, with_outside_targets

from lira_jax.audit.model_facts import model_facts
from lira_jax.audit.results import Results
from lira_jax.audit.run import audit_run
from lira_jax.audit.sequence import Request, audit_evidence
from lira_jax.errors import UserError
from lira_jax.evaluation.exposure import exposure
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import Loaded

START = Results(targets=tuple(range(8)), models=tuple(range(8)))
EVERYTHING = Request(
    ("loss", "lira_offline"), ablation=True, num_shadows=(4, 6), num_queries=(1,), statistics=True
)


def probed(evidence):
    """What the models say of examples that none trained on."""
    other = small_evidence(gap=0.0, seed=1)
    return dataclasses.replace(other, keep=np.zeros_like(evidence.keep), targets=evidence.targets)


def test_each_part_is_written_as_soon_as_it_is_known_and_none_is_lost_after():
    evidence, written, saved = small_evidence(), [], {}
    found = audit_evidence(
        evidence,
        EVERYTHING,
        START,
        save=saved.__setitem__,
        write=written.append,
        sources=(np.arange(120) % 2, ["pool", "noise"]),
        probe_sets={"noise": lambda: probed(evidence)},
    )
    empty = START.to_json()
    known = [{k for k, v in r.to_json().items() if v != empty[k]} for r in written]
    assert known[0] == {"attacks", "calibrated", "pool_spread_factor"}
    assert all(earlier < later for earlier, later in itertools.pairwise(known))
    assert known[-1] == {
        *("attacks", "calibrated", "pool_spread_factor"),
        *("accuracy", "calibration", "confidence", "confidence_shapes"),
        "exposure_by_source",
        *("probes", "ablation", "num_shadows", "num_queries", "statistics"),
    }
    assert found == written[-1]
    assert list(found.attacks) == ["loss", "lira_offline"]
    assert list(found.probes) == ["(non-members)", "noise"]
    assert saved.keys() == {"attacks/loss.npy", "attacks/lira_offline.npy", "exposure.npy"}
    np.testing.assert_array_equal(
        saved["exposure.npy"], exposure(evidence.signals["phi"], evidence.keep)
    )


def test_the_risk_is_told_where_its_attack_was_made():
    evidence, saved = small_evidence(examples=600), {}
    request = Request(("loss", "privacy_risk"))
    found = audit_evidence(evidence, request, START, save=saved.__setitem__)
    expected = model_facts(evidence, risk_scores=saved["attacks/privacy_risk.npy"])
    assert repr(found.risk) == repr(expected["risk"])
    assert audit_evidence(evidence, Request(("loss",)), START).risk is None


PARTS = {
    "on_probes": "left out the probes noise: too few of something",
    "ablation": "left out --ablation: too few of something",
    "number_of_shadows": "left out --num_shadows: too few of something",
    "number_of_queries": "left out --num_queries: too few of something",
    "statistic_choices": "left out --statistics: too few of something",
}


def everything():
    evidence = small_evidence()
    return audit_evidence(
        evidence, EVERYTHING, START, probe_sets={"noise": lambda: probed(evidence)}
    ).to_json()


@pytest.fixture(scope="module")
def whole():
    return everything()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_cannot_be_made_is_left_out_aloud_and_the_others_are_not(
    whole, monkeypatch, capsys, part
):
    def refuse(*arguments):
        raise UserError("too few of something")

    monkeypatch.setattr(f"lira_jax.audit.sequence.{part}", refuse)
    rest = everything()
    assert PARTS[part] in capsys.readouterr().err.splitlines()
    missing = {name for name, value in whole.items() if rest[name] != value}
    assert (
        missing
        == {
            "on_probes": {"probes"},
            "ablation": {"ablation"},
            "number_of_shadows": {"num_shadows"},
            "number_of_queries": {"num_queries"},
            "statistic_choices": {"statistics"},
        }[part]
    )
    assert not any(rest[name] for name in missing)


def test_an_attack_that_is_named_and_cannot_be_made_is_an_error_once_the_rest_is_written(tmp_path):
    evidence = small_evidence()
    evidence = dataclasses.replace(evidence, keep=evidence.keep & False)  # as of disjoint masks
    evidence = with_outside_targets(evidence, 2, small_evidence().keep[:2])
    loaded = Loaded(evidence, list(range(8)), [0, 1])
    request = Request(("lira_online", "loss"), skip_failures=False, ablation=True)
    with pytest.raises(UserError, match=r"^--attacks=lira_online: "):
        audit_run(loaded, request, RunDirectory(tmp_path))
    found = Results.read(tmp_path)
    assert list(found.attacks) == ["loss"]
    assert found.accuracy is not None
    assert 0 < len(found.ablation) < 15  # rows of LiRA online are left out
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 2


def test_variants_of_lira_are_made_for_a_target_from_outside_as_far_as_models_suffice(
    tmp_path, capsys
):
    evidence = with_outside_targets(small_evidence(), 1, small_evidence().keep[:1])
    request = Request(("loss",), num_shadows=(4,), num_queries=(1,), statistics=True)
    loaded = Loaded(evidence, list(range(8)), ["a"])
    found = audit_run(loaded, request, RunDirectory(tmp_path))
    assert {row.num_targets for row in (*found.num_shadows, *found.num_queries)} == {1}
    assert Results.read(tmp_path).num_shadows[0].roc == found.num_shadows[0].roc
    few = dataclasses.replace(loaded, evidence=evidence.models(np.arange(2)), models=[0, 1])
    found = audit_run(few, request, RunDirectory(tmp_path))
    assert (list(found.attacks), found.num_shadows) == (["loss"], ())
    assert "left out --num_shadows: it needs two models in and two out" in capsys.readouterr().err


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()])
def test_an_ablation_that_fails_leaves_the_attacks(tmp_path, monkeypatch, error):
    def fail(evidence):
        raise error

    monkeypatch.setattr("lira_jax.audit.sequence.ablation", fail)
    loaded = Loaded(small_evidence(), list(range(8)), list(range(8)))
    with pytest.raises(type(error)):
        audit_run(loaded, EVERYTHING, RunDirectory(tmp_path))
    found = Results.read(tmp_path)
    assert list(found.attacks) == ["loss", "lira_offline"]
    assert found.calibration is not None
    assert (found.ablation, found.num_shadows) == ((), ())
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3
    assert not [p for p in tmp_path.iterdir() if "@" in p.name]


def test_impossible_numbers_of_shadows_are_refused_before_anything_is_run(tmp_path):
    request = dataclasses.replace(EVERYTHING, num_shadows=(4, 5))
    loaded = Loaded(small_evidence(), list(range(8)), list(range(8)))
    with pytest.raises(UserError, match="--num_shadows=5: give even numbers from 4 to 6"):
        audit_run(loaded, request, RunDirectory(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [1, 8])
def test_models_of_one_training_set_are_no_shadows_of_one_another(number):
    evidence = small_evidence()
    keep = np.tile(evidence.keep[:1], (8, 1))
    same = dataclasses.replace(evidence, keep=keep).models(np.arange(number))
    with pytest.raises(UserError, match=r"--masks=official, so none is .* give --protocol=known"):
        audit_evidence(same, Request(("loss",)), START)


MEMBERSHIPS = {"unknown": None, "all": np.ones((1, 120), bool), "none": np.zeros((1, 120), bool)}


@pytest.mark.parametrize("members", MEMBERSHIPS.values(), ids=MEMBERSHIPS)
def test_targets_of_unknown_membership_get_scores_and_no_results(tmp_path, members):
    """Nor do those of which all examples are members, or none is; old results are removed."""
    evidence = small_evidence()
    request = Request(("loss", "lira_online"), ablation=True)
    run = RunDirectory(tmp_path)
    audit_run(Loaded(evidence, list(range(8)), list(range(8))), request, run)
    assert (tmp_path / "results.json").exists()
    outside = with_outside_targets(evidence, 1, members)
    found = audit_run(Loaded(outside, list(range(8)), ["target.npy"]), request, run)
    assert found.attacks == {}
    for name in request.attacks:
        assert np.load(tmp_path / f"attacks/{name}.npy").shape == (1, 120)
    assert (tmp_path / "exposure.npy").exists()
    assert not (tmp_path / "results.json").exists()
    assert not (tmp_path / "results.csv").exists()


def test_how_the_masks_were_drawn_decides_how_epsilon_is_bounded():
    evidence, request = small_evidence(), Request(("lira_online",), delta=0.0)
    found = {
        coin: audit_evidence(evidence, request, START, coin=coin).attacks["lira_online"]
        for coin in (None, 0.5)
    }
    assert {c: a.epsilon.strategy for c, a in found.items()} == {None: "thresholds", 0.5: "guesses"}
    assert found[0.5].epsilon.one_run == found[0.5].epsilon.value
    assert np.isnan(found[None].epsilon.one_run)


def test_a_target_of_members_alone_stands_beside_others(tmp_path):
    """It has no figures of its own, and the other's are what they are without it."""
    evidence, members = small_evidence(), MEMBERSHIPS["all"]
    request = Request(("loss", "lira_online"))
    own = evidence.keep[1:2]
    for name, both in (("two", [members[0], own[0]]), ("kinds", [members[0], ~members[0]])):
        outside = with_outside_targets(evidence, 2, np.stack(both))
        loaded = Loaded(outside, list(range(8)), ["target.npy"])
        found = audit_run(loaded, request, RunDirectory(tmp_path / name))
        assert np.isnan(found.attacks["loss"].metrics["auc"].per_target[0])
    assert found.calibration is None
    assert found.attacks["loss"].epsilon.value == 0
    two = Results.read(tmp_path / "two")
    second = small_evidence(targets=[1])
    expected = model_facts(second)["calibration"]
    assert dataclasses.replace(two.calibration, **MEAN_SCORES) == dataclasses.replace(
        expected, **MEAN_SCORES
    )


MEAN_SCORES = dict.fromkeys(  # they depend on a threshold, which one target alone has none of
    ("true_positives", "false_positives", "true_negatives", "false_negatives"), 0.0
)


def test_examples_that_are_not_attacked_have_no_score(tmp_path):
    evidence, attacked = small_evidence(), np.arange(200) < 120
    loaded = Loaded(evidence, list(range(8)), list(range(8)), attacked)
    audit_run(loaded, Request(("loss",)), RunDirectory(tmp_path))
    scores = np.load(tmp_path / "attacks/loss.npy")
    assert scores.shape == (8, 200)
    np.testing.assert_array_equal(np.isfinite(scores), np.broadcast_to(attacked, scores.shape))


def test_the_file_tells_what_was_attacked_with_what(tmp_path):
    loaded = Loaded(small_evidence(targets=[2, 5]), [10, *range(7)], [1, 4])
    request = Request(("lira_online",), compat="tf_privacy")
    audit_run(loaded, request, RunDirectory(tmp_path))
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["targets"] == [1, 4]
    assert found["models"] == [10, 0, 1, 2, 3, 4, 5, 6]
    assert found["compat"] == "tf_privacy"
    assert found["attacks"]["lira_online"]["num_targets"] == 2
