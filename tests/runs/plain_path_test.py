import os

import numpy as np
import pytest

from lira_jax.runs import checkpoint
from lira_jax.runs.plain_path import plain


@pytest.mark.parametrize("name", ["a b", "ümlaut", "it's", "per%cent", "st*r", "new\nline"])
def test_most_names_are_taken_as_they_are(tmp_path, name):
    assert plain(tmp_path / name) == tmp_path / name


@pytest.mark.parametrize("name", ["br[1]", "back\\slash", "gs:", os.fsdecode(b"\xff")])
def test_checkpoints_are_found_again_below_any_name(tmp_path, name):
    folder, tree = tmp_path / name / "x", {"a": {"b": np.arange(4.0)}}
    checkpoint.save(folder, 3, checkpoint.FINAL, tree)
    assert (folder / "0003" / checkpoint.FINAL).is_dir()
    found = checkpoint.load_final(folder, 3, tree)
    np.testing.assert_array_equal(found["a"]["b"], tree["a"]["b"])
