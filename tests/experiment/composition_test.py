from lira_jax import experiment
from lira_jax.experiment import FIELDS, Experiment


def test_defaults_are_valid_and_every_field_is_documented():
    experiment.validate(Experiment())
    assert all(len(f.metadata["help"]) > 10 for f in FIELDS.values())
