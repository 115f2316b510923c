"""Attacks are given what the dumps hold; the protocols say who is attacked with what."""

import dataclasses

import numpy as np
import pytest
from null_scores import assert_chance

from lira_jax.attacks.table import ATTACKS
from lira_jax.data import masks
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.runs import directory, layout
from lira_jax.runs import evidence as run_scores

LABELS = np.arange(120, dtype=np.int32) % 3


def scored_run(
    path,
    kind="balanced",
    seed=0,
    queries=2,
    num_models=8,
    fingerprint="a" * 64,
    diverged=(),
    labels=LABELS,
):
    """A run directory whose models guess well and know nothing of their own members."""
    e = Experiment(num_models=num_models, masks=kind, queries=queries)
    run = directory.RunDirectory(path)
    run.settle_experiment(e, set())
    run.settle_data(fingerprint, "--dataset=digits")
    run.write("labels.npy", labels)
    run.write("keep.npy", masks.draw(kind, num_models, len(labels)))
    rng = np.random.default_rng(seed)
    for model in range(num_models):
        logits = rng.normal(size=(len(labels), 3)).astype(np.float32)
        logits[np.arange(len(labels)), labels] += 9
        if model in diverged:
            logits[:] = np.nan
        run.write(layout.POOL.signal("logits", model), logits)
        run.write(
            layout.POOL.signal("phi", model),
            rng.normal(size=(len(labels), queries)).astype(np.float32),
        )
        run.write(layout.probes("noise").signal("logits", model), logits[:20, None] + 1)
        run.write(
            layout.probes("noise").signal("phi", model),
            np.full((20, queries), model, np.float32),
        )
    run.write(layout.probes("noise").labels, labels[:20])
    return run, e


def arrays(evidence):
    return [getattr(evidence, f.name) for f in dataclasses.fields(evidence)]


def test_models_that_diverged_are_neither_shadows_nor_targets(tmp_path):
    run, e = scored_run(tmp_path / "run", diverged=(2,))
    loaded = run_scores.load_evidence(run, e, "all")
    assert loaded.models == loaded.targets == [0, 1, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(
        loaded.evidence.signals["phi"][2], run.read(layout.POOL.signal("phi", 3))
    )
    assert run_scores.load_evidence(run, e, "1,3").evidence.targets.models.tolist() == [1, 2]
    with pytest.raises(UserError, match="model 2 has diverged"):
        run_scores.load_evidence(run, e, "2")


def test_disjoint_targets_are_attacked_by_the_second_half_on_their_own_pool(tmp_path):
    run, e = scored_run(tmp_path / "run", "disjoint", diverged=(6,))
    loaded = run_scores.load_evidence(run, e, "all")
    keep = run.read("keep.npy")
    assert loaded.targets == [0, 1, 2, 3]
    assert loaded.models == [4, 5, 7]
    np.testing.assert_array_equal(loaded.examples, keep[:4].any(0))
    assert loaded.examples.sum() == 60
    evidence = loaded.evidence
    assert not evidence.keep.any()
    np.testing.assert_array_equal(evidence.members, keep[:4][:, loaded.examples])
    for row, model in enumerate((4, 5, 7)):
        np.testing.assert_array_equal(
            evidence.signals["phi"][row],
            run.read(layout.POOL.signal("phi", model))[loaded.examples],
        )
    for row in range(4):
        np.testing.assert_array_equal(
            evidence.of_targets("phi")[row],
            run.read(layout.POOL.signal("phi", row))[loaded.examples],
        )
        own = run.read(layout.POOL.signal("logits", row))[loaded.examples]
        np.testing.assert_array_equal(evidence.of_targets("logits")[row], own)
    np.testing.assert_array_equal(evidence.labels, LABELS[loaded.examples])
    for name in ("lira_offline_predicted", "bavaria_n_offline", "bavaria_t_offline"):
        assert np.isfinite(ATTACKS[name].run(evidence)).all()  # from the shadows' own half
    with pytest.raises(UserError, match="the targets are models 0 to 3"):
        run_scores.load_evidence(run, e, "1,4")


def test_one_shadow_model_teaches_attacks_on_its_own_half(tmp_path):
    """The threat model of Hintersdorf et al. 2022: two models are enough."""
    run, e = scored_run(tmp_path / "run", "disjoint", num_models=2)
    loaded, keep = run_scores.load_evidence(run, e, "all"), run.read("keep.npy")
    assert (loaded.targets, loaded.models) == ([0], [1])
    assert loaded.examples.sum() == 60
    evidence, learning = loaded.evidence, loaded.evidence.attack_training
    assert not evidence.keep.any()
    np.testing.assert_array_equal(evidence.members[0], keep[0][loaded.examples])
    np.testing.assert_array_equal(learning.members[0], keep[1][~loaded.examples])
    assert learning.members.sum() == evidence.members.sum() == 30
    for name in ("class_entropy", "privacy_risk", "maximum_score"):
        assert ATTACKS[name].run(evidence).shape == (1, 60)


def test_probes_are_of_the_same_models_and_targets(tmp_path):
    run, e = scored_run(tmp_path / "balanced", diverged=(2,))
    loaded = run_scores.load_evidence(run, e, "5,7")
    probes = run_scores.load_probe(run, "noise", loaded)
    assert probes.of_targets("phi")[:, 0, 0].tolist() == [5, 7]
    assert probes.signals["phi"][:, 0, 0].tolist() == loaded.models
    assert probes.signals["logits"].shape == (7, 20, 3)
    assert not probes.keep.any()
    run, e = scored_run(tmp_path / "disjoint", "disjoint")
    loaded = run_scores.load_evidence(run, e, "0,2")
    probes = run_scores.load_probe(run, "noise", loaded)
    assert probes.of_targets("phi")[:, 0, 0].tolist() == [0, 2]
    assert probes.signals["phi"][:, 0, 0].tolist() == [4, 5, 6, 7]
    with pytest.raises(UserError, match="lira-score --probes"):
        run_scores.load_probe(run, "scaled", loaded)


def test_some_of_the_queries_are_asked_of_targets_shadows_and_probes_alike(tmp_path):
    run, e = scored_run(tmp_path / "disjoint", "disjoint")
    loaded = run_scores.load_evidence(run, e, "0,2")
    last = np.array([loaded.evidence.signals["phi"].shape[2] - 1])
    asked = loaded.asking(last)
    probes, whole = (run_scores.load_probe(run, "noise", few) for few in (asked, loaded))
    for found, expected in (
        (asked.evidence, loaded.evidence),
        (asked.evidence.attack_training, loaded.evidence.attack_training),
        (probes, whole),
    ):
        np.testing.assert_array_equal(found.signals["phi"], expected.signals["phi"][:, :, last])
        np.testing.assert_array_equal(
            found.of_targets("phi"), expected.of_targets("phi")[:, :, last]
        )
        np.testing.assert_array_equal(found.signals["logits"], expected.signals["logits"])


@pytest.mark.parametrize("kind", ["balanced", "disjoint"])
def test_a_run_with_itself_as_shadows_is_the_run(tmp_path, kind):
    run, e = scored_run(tmp_path / "run", kind, diverged=(6,))
    alone = run_scores.load_evidence(run, e, "0,2" if kind == "disjoint" else "0,4,7")
    with_itself = run_scores.with_shadows_of(run, run, alone)
    assert (with_itself.models, with_itself.targets) == (alone.models, alone.targets)
    for name in (
        "lira_offline",
        "attack_r",
        "loss",
        *([] if kind == "disjoint" else ["lira_online_fixed"]),
    ):
        np.testing.assert_array_equal(
            ATTACKS[name].run(with_itself.evidence), ATTACKS[name].run(alone.evidence)
        )


def test_targets_of_one_run_meet_shadows_of_another(tmp_path):
    mine, e = scored_run(tmp_path / "a", queries=2, diverged=(3,))
    theirs, _ = scored_run(tmp_path / "b", queries=1, seed=5, diverged=(6,))
    loaded = run_scores.with_shadows_of(theirs, mine, run_scores.load_evidence(mine, e, "all"))
    assert loaded.models == [0, 1, 2, 3, 4, 5, 7]
    assert loaded.targets == [0, 1, 2, 4, 5, 7]  # 3 has diverged here, the counterpart of 6 there
    evidence = loaded.evidence
    assert [loaded.models[t] for t in evidence.targets.models] == loaded.targets
    for row, target in enumerate(loaded.targets):
        np.testing.assert_array_equal(
            evidence.of_targets("phi")[row], mine.read(layout.POOL.signal("phi", target))[:, :1]
        )
        np.testing.assert_array_equal(
            evidence.of_targets("logits")[row], mine.read(layout.POOL.signal("logits", target))
        )
    np.testing.assert_array_equal(
        evidence.signals["phi"],
        [theirs.read(layout.POOL.signal("phi", m)) for m in loaded.models],
    )
    np.testing.assert_array_equal(evidence.members, mine.read("keep.npy")[loaded.targets])


def test_two_runs_that_know_nothing_are_at_chance(tmp_path):
    labels = np.arange(4000, dtype=np.int32) % 3
    mine, e = scored_run(tmp_path / "a", seed=1, labels=labels)
    theirs, _ = scored_run(tmp_path / "b", seed=2, labels=labels)
    evidence = run_scores.with_shadows_of(
        theirs, mine, run_scores.load_evidence(mine, e, "all")
    ).evidence
    for name in ("lira_online", "lira_online_fixed", "lira_offline", "phi"):
        assert_chance(ATTACKS[name].run(evidence), evidence.members)


@pytest.mark.parametrize(
    "other", [{"fingerprint": "b" * 64}, {"kind": "bernoulli"}, {"num_models": 10}]
)
def test_other_data_or_masks_are_refused(tmp_path, other):
    mine, e = scored_run(tmp_path / "a")
    theirs, _ = scored_run(tmp_path / "b", **other)
    with pytest.raises(UserError, match=r"--shadows=.*other data or masks"):
        run_scores.with_shadows_of(theirs, mine, run_scores.load_evidence(mine, e, "all"))
