"""Released outputs: what an outsider is given of the run's own models, as a view of the run.

They are taken as another tool's outputs are: probabilities become logits, those of 0 at a floor
(arrays.py), and phi is computed from these.
"""

import time
from collections.abc import Sequence

import numpy as np

from lira_jax import progress
from lira_jax.data import masks
from lira_jax.defences import laplace, releases
from lira_jax.defences.releases import RELEASES, Chosen
from lira_jax.errors import UserError
from lira_jax.experiment import Experiment
from lira_jax.interop import arrays
from lira_jax.runs import data as run_data
from lira_jax.runs import layout
from lira_jax.runs.directory import RunDirectory
from lira_jax.runs.evidence import plain_logits
from lira_jax.runs.layout import KEEP, POOL, View

_STREAM = 0x6D656D67  # sets these random numbers apart from other uses of the same seed
_FEATURES = "layers"
"""The signal that the Laplace approximation is fitted to."""
_MORE = (
    "--reference or a lower --pkeep gives more; with disjoint masks, its half's others alone count"
)


def release(
    run: RunDirectory, experiment: Experiment, ids: Sequence[int], asked: Sequence[Chosen]
) -> None:
    """Writes released/NAME/ of models that are scored; what is there already is passed over.

    Args:
      ids: of the models.
      asked: the releases.

    Raises:
      UserError: the models have no logits, or one is not scored.
    """
    if asked and experiment.is_of_text:
        raise UserError(
            f"--release={asked[0].folder}: it changes logits of classes, which models of text do "
            "not have; leave it out"
        )
    labels = run.read(POOL.labels, (None,))
    for chosen in asked:
        view = layout.released(chosen.folder)
        todo = [i for i in ids if not all(run.has(view.signal(n, i)) for n in ("phi", "logits"))]
        run.write_once(view.labels, labels)
        for model in progress.each(f"release {chosen.folder}", todo, "models"):
            logits = run.read(POOL.signal("logits", model))
            if len(logits) != len(labels) or logits.ndim not in (2, 3):
                raise UserError(
                    f"--release: {POOL.signal('logits', model)} has shape {logits.shape}: there "
                    "must be logits [examples, classes]"
                )
            began = time.perf_counter()
            if chosen.name == "memguard":
                given = _guarded(run, experiment, model, logits, chosen.number)
            elif chosen.name == "laplace":
                given = _averaged(run, experiment, model, plain_logits(logits), chosen.number)
            else:
                given = released(np.asarray(logits), chosen)
            seconds = np.array([time.perf_counter() - began], np.float32)
            by_query = given if given.ndim == 3 else given[:, None]
            run.write(view.seconds(model), seconds)
            run.write(view.signal("logits", model), given)
            run.write(view.signal("phi", model), arrays.phi_from_logits(by_query, labels))


def released(logits: np.ndarray, chosen: Chosen) -> np.ndarray:
    """Logits of what a model releases by a rule that is not fitted.

    Args:
      logits: float32 [..., classes].

    Returns:
      float32 of the same shape, finite.
    """
    line = RELEASES[chosen.name]
    assert line.of_logits is not None, "the others are fitted to the members"
    given = line.of_logits(logits, chosen.number or 0)
    if line.gives_logits:
        return given
    return _of_probabilities(given, chosen.name)


def _of_probabilities(given: np.ndarray, name: str) -> np.ndarray:
    said_nothing = ~given.any(-1, keepdims=True)
    given = np.where(said_nothing, 1 / given.shape[-1], given)
    with np.errstate(divide="ignore"):
        log_p = np.log(given)
    forms = ("examples, classes", "examples, queries, classes")
    return arrays.as_logits(log_p, forms, f"--release={name}")[0].astype(np.float32)


def known_to_defender(
    keep: np.ndarray,
    rng: np.random.Generator,
    reference: np.ndarray | None = None,
    half: np.ndarray | None = None,
) -> np.ndarray:
    """What g is fitted on: as many own members as others, of at most half of these.

    Args:
      keep: bool [examples], the members of the model.
      reference: bool [examples], the others, all of which may be taken; None for non-members.
      half: bool [examples], what non-members are taken from; None for the whole pool.

    Returns:
      int [examples], members and as many non-members.
    """
    members = np.flatnonzero(keep)
    others = ~keep if half is None else ~keep & half
    others = np.flatnonzero(others if reference is None else reference)
    number = min(len(members), len(others) // 2 if reference is None else len(others))
    return np.concatenate([rng.permutation(members)[:number], rng.permutation(others)[:number]])


def _known(
    run: RunDirectory, e: Experiment, keep: np.ndarray, model: int, rng: np.random.Generator
) -> np.ndarray:
    """As `known_to_defender`, of a model of the run, whose masks are keep [models, examples]."""
    half = None
    if masks.is_disjoint(e.masks):
        # The other half has members of the models that attack this one, or that it attacks.
        half = masks.targets_pool(keep, e.masks)
        half = half if model < masks.first_shadow(len(keep)) else ~half
    return known_to_defender(keep[model], rng, run_data.reference(run, keep.shape[1]), half)


def _guarded(
    run: RunDirectory, e: Experiment, model: int, logits: np.ndarray, budget: float | None
) -> np.ndarray:
    """MemGuard's logits of one model, float32 [examples, classes] or of each query."""
    import jax  # after the cheap checks

    from lira_jax.defences import memguard

    masks_of_all = run.read(KEEP, (e.num_models, len(logits)))
    keep, rng = masks_of_all[model], np.random.default_rng([e.seed, _STREAM, model])
    known = _known(run, e, masks_of_all, model, rng)
    if not len(known):
        raise UserError(
            f"--release=memguard: model {model} has no members or fewer than 2 non-members, so "
            f"there is nothing to tell apart; {_MORE}"
        )
    plain = logits if logits.ndim == 2 else logits[:, 0]
    fit_key, coin_key = jax.random.split(jax.random.key(int(rng.integers(2**31))))
    net = jax.jit(memguard.fit)(plain[known], keep[known], fit_key)
    flat = np.asarray(logits).reshape(-1, logits.shape[-1])
    given = jax.jit(jax.vmap(memguard.noisy, (None, 0)))(net, flat)
    if budget is not None:
        coins = jax.random.split(coin_key, len(flat))
        choose = jax.vmap(memguard.within_budget, (None, 0, 0, 0, None))
        given = jax.jit(choose)(net, flat, given, coins, budget)
    return np.asarray(given, np.float32).reshape(logits.shape)


def _averaged(
    run: RunDirectory, e: Experiment, model: int, logits: np.ndarray, variance: float | None
) -> np.ndarray:
    """The last-layer Laplace approximation's logits of one model, float32 [examples, classes]."""

    def features(view: View) -> np.ndarray:
        return run.read(view.signal(_FEATURES, model), (None, None))  # [examples, units]

    if not run.has(POOL.signal(_FEATURES, model)):
        raise UserError(
            "--release=laplace: it needs what goes into the last layer; run lira-score "
            f"--signals={e.signals},{_FEATURES}"
        )
    masks_of_all = run.read(KEEP, (e.num_models, len(logits)))
    phi, keep = features(POOL), masks_of_all[model]
    rng = np.random.default_rng([e.seed, _STREAM, model])
    members = phi[keep], logits[keep]
    if variance is None:
        held = _known(run, e, masks_of_all, model, rng)
        held = held[~keep[held]]
        if not len(held):
            raise UserError(
                f"--release=laplace: model {model} has fewer than 2 non-members to choose the "
                f"prior's variance on; give it, as laplace:10 ({_MORE})"
            )
        labels = run.read(POOL.labels)[held]
        noise, view = None, layout.probes("noise")
        if run.has(view.signal(_FEATURES, model)) and run.has(view.signal("logits", model)):
            noise = features(view), plain_logits(run.read(view.signal("logits", model)))
        others = phi[held], logits[held], labels
        variance = laplace.choose_variance(members, others, noise, rng)
    posterior = laplace.fit(*members, variance)
    return _of_probabilities(laplace.probabilities(posterior, phi, logits, rng), "laplace")


def check(run: RunDirectory, spec: str) -> Chosen:
    """The one release that an attack is on.

    Raises:
      UserError: several are named, or it is not there.
    """
    asked = releases.parse(spec)
    if len(asked) != 1:
        raise UserError(f"--release={spec}: an attack is on one release; name one")
    if not run.saved_signals(layout.released(asked[0].folder)):
        raise UserError(
            f"--release={spec}: it is not in {run.path}; run lira-score --release={spec} first"
        )
    return asked[0]
