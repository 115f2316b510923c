"""lira_jax: trains many shadow models at once and audits them for membership inference.

The names below are the public Python API; they are loaded when they are first used.

`audit(x, y, workdir=...)` does all stages on arrays; `open_run(workdir)` gives what is saved of a
run; `lira`, `rmia`, `base` and `evaluate` work on bare arrays, such as another program saved.

>>> import numpy as np
>>> import lira_jax
>>> keep = lira_jax.draw_masks("balanced", num_models=8, num_examples=200, seed=0)
>>> keep.shape, keep.sum(0).tolist()[:3]
((8, 200), [4, 4, 4])
>>> logits = np.random.default_rng(0).normal(size=(8, 200, 1, 10))
>>> labels = np.arange(200) % 10
>>> logits[:, np.arange(200), 0, labels] += 2 * keep  # these models know their members
>>> phi = np.stack([lira_jax.phi(own, labels) for own in logits])  # [models, examples, queries]
>>> scores = lira_jax.lira(phi, keep, variance="residual")  # [targets, examples]
>>> lira_jax.evaluate(scores, keep).metrics["auc"].value > 0.8
True
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lira_jax.api import Run, audit, open_run
    from lira_jax.attacks.base_attack import base
    from lira_jax.attacks.lira import lira
    from lira_jax.attacks.rmia import rmia
    from lira_jax.audit.results import Results
    from lira_jax.data.masks import draw as draw_masks
    from lira_jax.errors import UserError
    from lira_jax.evaluation.summary import evaluate
    from lira_jax.experiment import Experiment
    from lira_jax.interop.arrays import phi_from_logits as phi

__all__ = [
    "Experiment",
    "Results",
    "Run",
    "UserError",
    "audit",
    "base",
    "draw_masks",
    "evaluate",
    "lira",
    "open_run",
    "phi",
    "rmia",
]

_WHERE = {
    "Experiment": "experiment",
    "Results": "audit.results",
    "Run": "api",
    "UserError": "errors",
    "audit": "api",
    "base": "attacks.base_attack",
    "draw_masks": "data.masks:draw",
    "evaluate": "evaluation.summary",
    "lira": "attacks.lira",
    "open_run": "api",
    "phi": "interop.arrays:phi_from_logits",
    "rmia": "attacks.rmia",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
