"""The attacker who knows half of the members, against a loop and where nothing can be found."""

import numpy as np
import pytest

from lira_jax.attacks.shared import statistics
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Inside, Outside
from lira_jax.audit import half_known
from lira_jax.errors import UserError
from lira_jax.report import attackers


def outputs(rng, examples=400, classes=4, gain=0.0):
    """Logits [examples, classes], labels and members of a target that is surer of its members."""
    labels, members = rng.integers(0, classes, examples), rng.random(examples) < 0.4
    logits = rng.normal(size=(examples, classes))
    logits[np.arange(examples), labels] += 1 + gain * members
    return logits, labels, members


def test_the_halves_are_even_and_share_no_example():
    members = np.arange(50) < 17
    known, judged = half_known.halves(members, np.random.default_rng(0))
    assert len(known) == len(judged) == 16
    assert members[known].sum() == members[judged].sum() == 8
    assert not set(known) & set(judged)
    with pytest.raises(UserError, match="a target has 1 members and 49 non-members"):
        half_known.halves(np.arange(50) < 1, np.random.default_rng(0))


def best_by_trying(values, members):
    """The threshold with the most right decisions, by trying every value, the highest first."""

    def right(limit):
        return (values[members] >= limit).mean() + (values[~members] < limit).mean()

    tried = sorted(set(values.tolist()), reverse=True)
    return max(tried, key=lambda limit: round(right(limit), 12))


def test_thresholds_are_those_of_the_known_half_class_by_class():
    logits, labels, members = outputs(np.random.default_rng(1), gain=2)
    found = half_known.judge(logits, labels, members, np.random.default_rng(3), network=False)
    known, judged = half_known.halves(members, np.random.default_rng(3))
    metric = statistics.modified_entropy(logits, labels)
    decided = np.zeros(len(labels), bool)
    for k in range(4):
        own = known[labels[known] == k]
        limit = best_by_trying(metric[own], members[own])
        decided |= (labels == k) & (metric >= limit)
    hits, alarms = (decided[judged][m].mean() for m in (members[judged], ~members[judged]))
    assert found["modified entropy, by class"] == pytest.approx((hits + 1 - alarms) / 2)
    right = (logits.argmax(-1) == labels)[judged]
    hits, alarms = (right[m].mean() for m in (members[judged], ~members[judged]))
    assert found["correctness"] == pytest.approx((hits + 1 - alarms) / 2)


def test_members_are_found_and_noise_is_at_chance():
    rng = np.random.default_rng(2)
    for gain, low, high in ((0, 0.44, 0.56), (3, 0.75, 1)):
        logits, labels, members = outputs(rng, 2000, gain=gain)
        found = half_known.judge(logits, labels, members, np.random.default_rng(0), network=False)
        for name in ("confidence, by class", "modified entropy, one threshold"):
            # 800 judged: 4.3 standard errors are 0.065 where there is nothing
            assert low < found[name] < high, name


def test_networks_find_members():
    made = outputs(np.random.default_rng(6), 300, gain=6)
    found = half_known.judge(*made, np.random.default_rng(0))
    assert found["network"] > 0.7
    assert found["network, label"] > 0.7


def test_each_target_has_a_row_and_a_half_of_its_own():
    rng = np.random.default_rng(4)
    made = [outputs(rng, gain=1) for _ in range(3)]
    logits, keep = np.stack([m[0] for m in made]), np.stack([m[2] for m in made])
    labels = made[0][1]
    evidence = Evidence.of_arrays(labels, keep, Inside(np.arange(3)), logits=logits)
    found = half_known.run(evidence, network=False)
    again = half_known.judge(
        logits[2],
        labels,
        keep[2],
        np.random.default_rng([0, half_known._STREAM, 2]),
        network=False,
    )
    assert {name: values[2] for name, values in found.items()} == again
    table = attackers.half_known(found)
    assert table.rows[0][0] == "correctness"
    assert float(table.rows[0][1]) == pytest.approx(100 * found["correctness"].mean(), abs=0.06)
    assert half_known.to_csv(found).count("\n") == 1 + 3 * len(found)


def test_what_cannot_be_is_said():
    logits, labels, members = outputs(np.random.default_rng(5))
    unknown = Outside(Signals({"logits": logits[None]}, labels))
    evidence = Evidence.of_arrays(labels, members[None], unknown, logits=logits[None])
    with pytest.raises(UserError, match="membership is unknown"):
        half_known.run(evidence)
    phi = np.zeros((1, len(labels), 1))
    evidence = Evidence.of_arrays(labels, members[None], Inside(np.arange(1)), phi=phi)
    with pytest.raises(UserError, match="no logits are saved"):
        half_known.run(evidence)
