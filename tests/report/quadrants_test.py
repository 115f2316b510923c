"""The four examples lie in the corners of two axes, as in figure 3 of the LiRA paper."""

import numpy as np
from report import synthetic_run

from lira_jax.report import material, quadrants


def test_each_corner_has_the_example_that_lies_in_it():
    in_loss = np.array([0.01, 0.02, 3.0, 4.0, 1.0, 1.1])
    out_loss = np.array([0.03, 5.0, 0.04, 6.0, 1.0, 1.1])
    assert quadrants.choose(in_loss, out_loss) == {
        ("inlier", "easy to fit"): 0,
        ("outlier", "easy to fit"): 1,
        ("inlier", "hard to fit"): 2,
        ("outlier", "hard to fit"): 3,
    }


def test_losses_are_cross_entropies():
    p = np.array([0.9, 0.5, 1e-6])
    np.testing.assert_allclose(quadrants.losses(np.log(p) - np.log1p(-p)), -np.log(p))


def test_outliers_have_the_larger_out_loss_and_hard_examples_the_larger_in_loss(tmp_path):
    run = synthetic_run.write(tmp_path / "run")
    found = material.read_examples(run, material.read_results(run), None)
    shown = quadrants.quadrants(found)
    assert [q.title for q in shown] == [
        "inlier, easy to fit",
        "outlier, easy to fit",
        "inlier, hard to fit",
        "outlier, hard to fit",
    ]
    inside, outside = (
        np.array([float(getattr(q, n)) for q in shown]) for n in ("in_loss", "out_loss")
    )
    assert inside[:2].max() < inside[2:].min()
    assert outside[[0, 2]].max() < outside[[1, 3]].min()
