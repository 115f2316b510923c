import csv
import io

import numpy as np
import pytest

from lira_jax.attacks import known_classifiers
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.targets import Inside
from lira_jax.audit import known_found, known_ways
from lira_jax.audit import known_membership as known
from lira_jax.errors import UserError
from lira_jax.report.known_membership import tables


def test_the_first_of_each_kind_are_known_and_the_rest_are_judged():
    seen = []

    def fit(features, members):
        seen.append((features[members, 0].tolist(), features[~members, 0].tolist()))
        return lambda own: np.ones(len(own))

    members = np.tile([True, False], 20)
    decided, counted, skipped = known.judge(
        np.arange(40.0)[:, None], members, np.zeros(40, int), np.ones(40, bool), fit, share=0.8
    )
    assert seen == [(list(range(0, 32, 2)), list(range(1, 33, 2)))]
    assert np.flatnonzero(counted).tolist() == list(range(32, 40))
    np.testing.assert_array_equal(decided, counted)
    assert skipped == 0


def test_each_class_has_a_classifier_of_its_own_and_small_ones_have_none():
    """Members are above in one class and below in the other: one threshold would find nothing."""
    labels = np.repeat([0, 1, 2], [60, 60, 28])
    members = np.arange(148) % 2 == 0
    side = np.where(labels == 0, 1, -1) * np.where(members, 1, -1)
    fit = known_classifiers.logistic_regression
    decided, counted, skipped = known.judge(
        side[:, None].astype(float), members, labels, np.ones(148, bool), fit
    )
    assert skipped == 1
    assert not counted[labels == 2].any()
    assert counted.sum() == 24
    np.testing.assert_array_equal(decided[counted], members[counted])


def test_groups_apart_learn_apart_and_examples_without_a_signal_are_left_out():
    rng = np.random.default_rng(0)
    members = rng.random(200) < 0.5
    correct = np.arange(200) < 100
    features = np.where(members == correct, 1.0, -1.0)[:, None]  # the other way round in the rest
    features[::10] = np.nan
    fit = known_classifiers.logistic_regression
    decided, counted, _ = known.judge(
        features, members, np.zeros(200, int), correct, fit, apart=True
    )
    assert not counted[::10].any()
    assert counted[correct].any()
    assert counted[~correct].any()
    np.testing.assert_array_equal(decided[counted], members[counted])


def test_gradients_are_learned_from_groups_of_five_as_the_authors_do():
    """Four known and one judged of each; distances need ten, and confidences more to learn from."""
    members = np.arange(10) % 2 == 0
    told = np.where(members, 1.0, -1.0)[:, None]
    own = told, members, np.zeros(10, int), np.ones(10, bool)
    fit = known_classifiers.logistic_regression
    for name, judged in {
        "gradient_norms_w": 2,
        "gradient_norms_x": 2,
        "boundary_distance": 0,
    }.items():
        way = known_ways.WAYS[name]
        decided, counted, skipped = known.judge(
            *own, fit, apart=way.apart, fewest=way.fewest, least=known_classifiers.FEWEST_LINEAR
        )
        assert counted.sum() == judged
        assert skipped == (1 if judged else 2)  # nothing is misclassified
        np.testing.assert_array_equal(decided[counted], members[counted])
    with pytest.raises(UserError, match="4 members and 4 non-members are known"):
        known_classifiers.network(told[:8], members[:8])
    assert not known.judge(*own, known_classifiers.network, fewest=5)[1].any()


def test_of_a_large_group_the_first_400_are_taken_where_that_is_asked_for():
    members = np.arange(1500) % 3 > 0  # 1000 and 500
    fit_on = []

    def fit(features, members):
        fit_on.append((members.sum(), (~members).sum(), features.max()))
        return lambda own: np.zeros(len(own))

    own = np.arange(1500.0)[:, None], members, np.zeros(1500, int), np.ones(1500, bool)
    _, counted, _ = known.judge(*own, fit, most=400)
    assert fit_on == [(320, 320, np.flatnonzero(~members)[319])]
    assert counted.sum() == 160
    assert np.flatnonzero(counted & members).max() == np.flatnonzero(members)[399]
    assert known.judge(*own, fit)[1].sum() == 300


def test_sizes_that_are_asked_for_are_those_of_every_way_they_are_meant_for():
    asked = known_ways.ways(["softmax", "gradient_norms_w"], ["logits", "gradient_norms_w"])
    sizes = {n: (w.fewest, w.most) for n, w in known_ways.limited(asked, most=400).items()}
    assert sizes == {"softmax": (15, 0), "gradient_norms_w": (5, 400)}
    assert {w.fewest for w in known_ways.limited(asked, fewest=30).values()} == {30}
    with pytest.raises(UserError, match=r"--known_fewest=1: give 0 or a whole number from 2 on"):
        known_ways.limited(asked, fewest=1)
    with pytest.raises(UserError, match=r"--known_most=-4: give 0 or"):
        known_ways.limited(asked, most=-4)
    with pytest.raises(UserError, match=r"--known_most=4: gradient_norms_w needs 5 members"):
        known_ways.limited(asked, most=4)
    assert known_ways.limited(asked, fewest=3, most=4)["gradient_norms_w"].most == 4


def evidence(leak, targets=2, examples=240, seed=0):
    """Two classes; logits of members are larger by `leak`."""
    rng = np.random.default_rng(seed)
    labels, keep = np.arange(examples) % 2, rng.random((targets, examples)) < 0.5
    logits = rng.normal(size=(targets, examples, 2)).astype(np.float32)
    rows = np.arange(examples)
    for target in range(targets):
        logits[target, rows, labels] += leak * keep[target]
    return Evidence.of_arrays(labels, keep, Inside(np.arange(targets)), logits=logits)


def found(leak, **options):
    given = evidence(leak, **options)
    asked = known_ways.ways(["softmax"], given.signals.saved)
    fit = known_ways.learner(["logistic_regression"], ["none"], seed=0)
    return known.run(given, asked, fit, 0.8)


def test_the_leak_is_found_and_the_naive_attack_is_what_accuracies_say():
    given = evidence(3.0)
    result = found(3.0)
    of_ways, confidences = result.ways, result.confidences
    assert of_ways["softmax"].groups["all"].class_balanced_accuracy > 0.75
    right = np.array([given.signals["logits"][t].argmax(-1) == given.labels for t in range(2)])
    naive = np.mean(
        [(right[t][given.keep[t]].mean() + 1 - right[t][~given.keep[t]].mean()) / 2 for t in (0, 1)]
    )
    assert of_ways["naive"].groups["all"].balanced_accuracy == pytest.approx(naive)
    assert of_ways["naive"].groups["correct"].class_balanced_accuracy == pytest.approx(0.5)
    assert confidences["all"].members > confidences["all"].nonmembers


def test_noise_is_at_chance():
    """Balanced accuracies of independent draws about one half, within their standard error."""
    values = [
        found(0.0, targets=1, seed=seed).ways["softmax"].groups["all"].class_balanced_accuracy
        for seed in range(30)
    ]
    assert abs(np.mean(values) - 0.5) < 4 * np.std(values) / np.sqrt(30)


def test_the_table_and_the_file_have_a_row_for_each_way():
    of_ways = found(1.0).ways
    first, second = tables(found(1.0), 0.8, known_ways.ways(["softmax"], ["logits"]))
    assert "15 for softmax; for tables 6 and 7" in first.note
    assert [row[0] for row in first.rows] == ["naive, table 3", "softmax, table 3 and 4"]
    assert all(len(row) == len(first.columns) for row in first.rows)
    assert [row[0] for row in second.rows] == ["all", "correct", "misclassified"]
    rows = list(csv.DictReader(io.StringIO(known_found.to_csv(of_ways))))
    assert [row["mix"] for row in rows] == 2 * (3 * ["as they are"] + ["5:1", "1:1", "1:5"])
    written = float(rows[6]["class_balanced_accuracy"])
    assert written == of_ways["softmax"].groups["all"].class_balanced_accuracy


def test_other_mixes_are_what_drawing_some_of_the_judged_gives():
    """With 4 members a non-member, five times as many non-members are judged as there are."""
    rng = np.random.default_rng(0)
    members = np.arange(1000) % 5 > 0
    decided = rng.random(1000) < np.where(members, 0.8, 0.3)
    everyone, labels = np.ones(1000, bool), np.zeros(1000, int)
    mixes = known_found.OfTarget.of(decided, everyone, members, labels, everyone).mixes
    inside, outside = decided[members], np.tile(decided[~members], 20)  # 800 and 4000
    at = mixes["1:5"]
    assert at.precision_member == pytest.approx(inside.sum() / (inside.sum() + outside.sum()))
    assert at.precision_nonmember == pytest.approx(
        (~outside).sum() / ((~inside).sum() + (~outside).sum())
    )
    assert mixes["as they are"].accuracy == pytest.approx((decided == members).mean())
    assert len({mix.balanced_accuracy for mix in mixes.values()}) == 1


def test_a_layer_that_is_saved_is_a_way_beside_the_last_hidden_one():
    saved = ["logits", "layers", "layer=-2", "gradient_norms_w"]
    assert list(known_ways.ways(["all"], saved)) == [
        *("softmax", "layers", "layer=-2", "gradient_norms_w")
    ]
    with pytest.raises(UserError, match=r"run lira-score --signals=logits,layer=Dense_1"):
        known_ways.ways(["layer=Dense_1"], ["logits"])


@pytest.mark.parametrize(
    ("names", "message"),
    [(["gradients"], "it is one of all"), (["layers"], "run lira-score --signals=logits,layers")],
)
def test_a_way_that_cannot_be_gone_is_refused_with_the_command(names, message):
    with pytest.raises(UserError, match=message):
        known_ways.ways(names, ["logits"])
    assert list(known_ways.ways(["all"], ["logits", "layers"])) == ["softmax", "layers"]


def test_unknown_classifiers_and_samplings_are_refused():
    with pytest.raises(UserError, match="--known_classifiers=svm"):
        known_ways.learner(["svm"], ["none"], 0)
    with pytest.raises(UserError, match="--known_tries=-1: give 0"):
        known_ways.learner(["random_forest"], ["none"], 0, tries=-1)
    with pytest.raises(UserError, match="--known_sampling=half"):
        known_ways.learner(["network"], ["half"], 0)


def test_the_search_has_the_length_that_is_asked_for(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        known_classifiers, "CLASSIFIERS", {"random_forest": lambda *_, **given: seen.update(given)}
    )
    features, members = np.zeros((4, 1)), np.array([True, True, False, False])
    known_ways.learner(["random_forest"], ["none"], 7, tries=3, trees=20)(features, members)
    assert seen == {"tries": 3, "trees": 20}


def test_signals_that_are_not_there_are_named():
    given = evidence(0.0)
    alone = Evidence.of_arrays(given.labels, given.keep, given.targets, phi=np.zeros((2, 240, 1)))
    with pytest.raises(UserError, match="lira-score --signals=phi,logits"):
        known.run(alone, {}, known_classifiers.network, 0.8)
