"""A preview judges what the audit will judge, or says why it cannot."""

import numpy as np
import pytest
from report import synthetic_run

from lira_jax.audit.preview import ATTACK, preview
from lira_jax.errors import UserError
from lira_jax.runs.layout import KEEP, POOL, REFERENCE


@pytest.fixture
def run(tmp_path):
    return synthetic_run.write(tmp_path / "run", models=8)


def test_a_defenders_own_examples_are_not_judged(run):
    """Whatever the models say of them."""
    reference = np.arange(60) < 20
    run.write(REFERENCE, reference)
    before = preview(run, range(8))[ATTACK]
    for model, keep in enumerate(run.read(KEEP)):
        phi = run.read(POOL.signal("phi", model)) + 100 * (keep & reference)[:, None]
        run.write(POOL.signal("phi", model), phi.astype(np.float32))
    assert repr(preview(run, range(8))[ATTACK]) == repr(before)


def test_models_that_have_diverged_are_told(run):
    for model in range(7):
        for signal, shape in (("phi", (60, 2)), ("logits", (60, 3))):
            run.write(POOL.signal(signal, model), np.full(shape, np.nan, np.float32))
    with pytest.raises(UserError, match="7 of the first 8 models have diverged"):
        preview(run, range(8))
