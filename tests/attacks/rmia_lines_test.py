"""RMIA's options as the table gives them to the functions on arrays."""

import dataclasses

import numpy as np
import pytest
from attacks.table_test import evidence
from scipy import stats

from lira_jax.attacks.reference_rmia import reference_confidence, reference_rmia
from lira_jax.attacks.rmia import rmia
from lira_jax.attacks.selection import table_of
from lira_jax.attacks.shared.evidence import Evidence
from lira_jax.attacks.shared.signals import Signals
from lira_jax.attacks.shared.targets import Counterparts, Inside, Outside
from lira_jax.attacks.soft_margin import taylor_soft_margin, tempered_phi
from lira_jax.errors import UserError
from lira_jax.evaluation.roc import auc, roc


def run(name, e, compat=""):
    return table_of([name], compat)[name].run(e)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("rmia_online+gamma=1", dict(gamma=1)),
        ("rmia_online+combine=vote+population=50", dict(combine="vote", population=50)),
        ("rmia_online+trim=0.2", dict(trim=0.2)),
        ("rmia_offline+a=0.6+trim=0.2", dict(a=0.6, trim=0.2, online=False)),
    ],
)
def test_options_on_phi_are_those_of_the_function(text, options):
    e = evidence(8, 100, gap=1.0)
    np.testing.assert_array_equal(run(text, e), rmia(e.signals["phi"], e.keep, **options))
    told = f"{text}+z=nonmembers".replace("+population=50+z=nonmembers", "+z=nonmembers")
    options = {k: v for k, v in options.items() if k != "population"}
    expected = rmia(e.signals["phi"], e.keep, members=e.keep, **options)
    np.testing.assert_array_equal(run(told, e), expected)


def test_other_confidences_are_of_the_logits_alone():
    e = evidence(8, 100, gap=1.0)
    logits, labels = e.signals["logits"], e.labels
    only = dataclasses.replace(e, signals=Signals({"logits": logits}, labels))
    for text, phi in (
        ("rmia_online+signal=taylor+temperature=2", taylor_soft_margin(logits, labels, 2.0)),
        ("rmia_online+signal=taylor", taylor_soft_margin(logits, labels, 1.0)),
        ("rmia_online+temperature=3", tempered_phi(logits, labels, 3.0)),
    ):
        np.testing.assert_array_equal(run(text, only), rmia(phi, e.keep))
        assert table_of([text])[text].needs == ("logits",)
    without = dataclasses.replace(e, signals=Signals({"phi": e.signals["phi"]}, labels))
    with pytest.raises(UserError, match="it needs the signal logits, which is not saved"):
        run("rmia_online+temperature=3", without)


class QueryLogits:
    """Dumps of --save_logits=all: [examples, queries, classes] of a model."""

    def __init__(self, logits):
        self.logits = logits

    def __len__(self):
        return len(self.logits)

    def __getitem__(self, model):
        return self.logits[model, :, 0]

    def of_queries(self, model):
        return self.logits[model]


def test_all_queries_are_read_where_they_are_saved_of_targets_and_shadows():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (9, 60, 3, 4)).astype(np.float32)
    labels, keep = rng.integers(4, size=60), rng.random((8, 60)).argsort(0) < 4
    order = rng.permutation(60)
    shadows = Signals({"logits": QueryLogits(logits[:8])}, labels).of(examples=order)
    e = Evidence(labels[order], keep[:, order], shadows, Inside(np.arange(8)))
    p = np.stack([reference_confidence(logits[:, :, q], labels) for q in range(3)], -1)[:, order]
    phi = np.stack([taylor_soft_margin(logits[:, :, q], labels) for q in range(3)], -1)[:, order]
    text = "rmia_online+signal=taylor+temperature=2"
    np.testing.assert_array_equal(run(text, e), rmia(phi[:8], e.keep))
    got = run("rmia_online", e, "rmia")
    np.testing.assert_array_equal(got, reference_rmia(p[:8], e.keep, members=e.keep))
    # A target of which the plain query alone is there is judged by that.
    plain = Signals({"logits": logits[8:, order, 0]}, labels[order])
    one = run(text, dataclasses.replace(e, targets=Outside(plain)))
    np.testing.assert_array_equal(one, rmia(phi[:8, :, 0], e.keep, observed=phi[8:, :, 0]))
    counterpart = Counterparts(Signals({"logits": QueryLogits(logits[8:])}, labels), np.array([2]))
    counterpart = counterpart.select(order)
    got = run("rmia_online", dataclasses.replace(e, targets=counterpart), "rmia")
    expected = reference_rmia(p[:8], e.keep, np.array([2]), p[8:], members=e.keep[2:3])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("text", "compat"),
    [("rmia_online+z=nonmembers", ""), ("rmia_offline+z=nonmembers", ""), ("rmia_online", "rmia")],
)
def test_z_that_are_nonmembers_need_a_target_of_known_membership(text, compat):
    e = evidence(9, 60, gap=1.0)
    first = Outside(e.signals.of(models=np.array([0])))
    unknown = dataclasses.replace(e, targets=first).models(np.arange(1, 9))
    with pytest.raises(UserError, match="its membership is unknown"):
        run(text, unknown, compat)
    told = dataclasses.replace(first, membership=e.keep[:1])
    score = run(text, dataclasses.replace(unknown, targets=told), compat)
    assert np.isfinite(score).all()


@pytest.mark.parametrize("num_models", [8, 16, 64])
@pytest.mark.parametrize(
    "text",
    [
        "rmia_online+signal=taylor+temperature=2+trim=0.2+z=nonmembers",
        "rmia_offline+a=0.6+trim=0.2+z=nonmembers+combine=vote",
    ],
)
def test_noise_is_at_chance(text, num_models):
    areas = []
    for seed in range(8):
        e = evidence(num_models, max(2000 // num_models, 32), gap=0.0, seed=seed)
        areas.append(auc(roc(run(text, e).ravel(), e.members.ravel())))
    error = max(np.std(areas, ddof=1), np.sqrt(1 / 6 / 1000)) / np.sqrt(8)
    assert abs(np.mean(areas) - 0.5) < stats.t.ppf(1 - 3e-5, 7) * error
