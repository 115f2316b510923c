"""What the kinds of lines give to an attack, and what they say of it."""

import numpy as np
import pytest
from attacks.table_test import evidence

from lira_jax.attacks import kinds
from lira_jax.attacks.lira import lira
from lira_jax.attacks.shared import lists, statistics
from lira_jax.errors import UserError


def first_argument(signal, keep, targets=None, observed=None, **options):
    """An attack that only shows what it is given."""
    return signal, options


def test_an_attack_on_queries_is_given_all_of_them_and_its_options():
    e = evidence(8, 20, gap=1.0, queries=3)
    attack = kinds.on_queries("it", first_argument, "what", "who", lists.EACH, form="any")
    signal, options = attack.run(e)
    np.testing.assert_array_equal(signal, e.signals["phi"])
    assert options == {"form": "any"}
    assert (attack.on_signal, attack.fewest, attack.statistic) == ("it", lists.EACH, kinds.PHI_MEAN)
    signal, options = attack.run_on("hinge")(e)
    np.testing.assert_array_equal(signal[:, :, 0], e.signals["hinge"])
    assert options == {"form": "any"}
    two_sided = kinds.on_queries("it", first_argument, "", "", lists.OUT, two_sided=True)
    assert two_sided.statistic is None


def test_an_attack_by_hardness_is_given_the_plain_query():
    e = evidence(8, 20, gap=1.0, queries=3)

    def double(phi):
        return 2 * phi[:, :, 0]

    attack = kinds.by_hardness("it", first_argument, double, "", "", lists.OUT)
    np.testing.assert_array_equal(attack.run(e)[0], 2 * e.signals["phi"][:, :, 0])
    np.testing.assert_array_equal(attack.run_on("phi")(e)[0], e.signals["phi"][:, :, 0])


@pytest.mark.parametrize(
    ("options", "fewest", "statistic"),
    [
        ({}, lists.TWO_EACH, kinds.PHI_MEAN),
        ({"variance": "residual"}, lists.EACH, kinds.PHI_MEAN),
        ({"form": "one_sided", "centre": "median"}, lists.TWO_OUT, kinds.PHI_MEAN),
        ({"form": "density", "variance": "grand"}, lists.OUT, None),
    ],
)
def test_a_form_of_lira_says_what_it_needs(options, fewest, statistic):
    e = evidence(8, 30, gap=1.0)
    attack = kinds.of_lira("it", "what", "who", **options)
    assert (attack.fewest, attack.statistic) == (fewest, statistic)
    np.testing.assert_array_equal(attack.run(e), lira(e.signals["phi"], e.keep, **options))


def test_statistics_are_of_the_targets_and_of_all_models():
    e = evidence(8, 30, gap=1.0)
    attack = kinds.of_targets(statistics.entropy, "", "", judges_by=kinds.ENTROPY)
    np.testing.assert_array_equal(attack.run(e), kinds.ENTROPY.read(e.signals))
    assert attack.needs == ("logits",)
    assert kinds.mean_of("phi").name == "phi_mean"
    mean = kinds.PHI_MEAN.read(e.signals)
    np.testing.assert_allclose(mean, e.signals["phi"].mean(2, dtype=np.float64))


def test_a_signal_of_several_numbers_is_no_scalar():
    e = evidence(8, 20, gap=1.0)
    for read in (kinds.scalar, kinds.scalar_plain):
        assert read(e.signals, "hinge").shape[:2] == (8, 20)
        with pytest.raises(UserError, match="logits is not one number an example"):
            read(e.signals, "logits")
