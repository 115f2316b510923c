"""Whether the settings of an experiment make sense by themselves."""

import math

from lira_jax.errors import UserError, bad_choice
from lira_jax.experiment.composition import FIELDS, Experiment, shown
from lira_jax.experiment.epochs import scored_epochs
from lira_jax.experiment.scoring import QUERY_SHIFTS


def validate(experiment: Experiment) -> Experiment:
    """Returns the experiment if its fields make sense by themselves, without seeing the data.

    Raises:
      UserError: naming the flag, its value and the values it may take.
    """
    e = experiment
    for name, field in FIELDS.items():
        choices = field.metadata["choices"]
        value = getattr(e, name)
        kind, _, path = value.partition(":") if name == "masks" else ("", "", "")
        named = kind in ("file", "disjoint") and path != ""
        if choices and value not in (*choices, field.default) and not named:
            raise bad_choice(f"--{name}", value, choices)
    for name in ("num_models", "epochs", "batch_size", "adv_attack_steps", "boundary_steps"):
        _require(getattr(e, name) >= 1, name, e, "give a whole number of at least 1")
    for name in (
        "seed",
        "num_examples",
        "image_size",
        "outliers",
        "depth",
        "width",
        "shift",
        "cutout",
        "context",
        "models_per_chunk",
        "checkpoint_every",
        "log_every",
        "score_batch_size",
        "dp_block",
    ):
        _require(getattr(e, name) >= 0, name, e, "give 0 or a positive whole number")
    for name in (
        "learning_rate",
        "weight_decay",
        "clip_norm",
        "rotation",
        "mixup",
        "dp_noise",
        "dp_epsilon",
        "adv_weight",
        "checkpoint_minutes",
    ):
        _require(
            math.isfinite(getattr(e, name)) and getattr(e, name) >= 0, name, e, "give a number >= 0"
        )
    for name in ("momentum", "label_smoothing", "warmup", "dropout", "drop_connect"):
        _require(0 <= getattr(e, name) < 1, name, e, "give a number from 0 up to, not including, 1")
    for name in ("colour_jitter", "cutmix"):
        _require(0 <= getattr(e, name) <= 1, name, e, "give a number from 0 to 1")
    _require(0 < e.dp_clip < math.inf, "dp_clip", e, "give a number > 0")
    _require(0 < e.dp_delta < 1, "dp_delta", e, "give a probability, such as 1e-5")
    if e.mixup and e.cutmix:
        raise UserError(f"--mixup={e.mixup}: with --cutmix={e.cutmix} too; give one of them")
    if e.outliers and not e.outliers_from:
        raise UserError(
            f"--outliers={e.outliers}: say of what kind by --outliers_from, such as random_labels"
        )
    for name in ("outliers_from", "outliers_mode"):
        if getattr(e, name) != FIELDS[name].default and not e.outliers:
            raise UserError(f"--{name}={getattr(e, name)}: say how many by --outliers")
    _require(0 < e.pkeep < 1, "pkeep", e, "give a fraction between 0 and 1, such as 0.5")
    _require(e.seed < 2**31, "seed", e, "give a number below 2147483648")
    _require(e.queries in QUERY_SHIFTS, "queries", e, f"give one of {_listed(QUERY_SHIFTS)}")
    counts = (0, *QUERY_SHIFTS)
    _require(e.epoch_queries in counts, "epoch_queries", e, f"give one of {_listed(counts)}")
    _require(0 <= e.beta2 < 1, "beta2", e, "give a number from 0 up to, not including, 1")
    _check_drops(e)
    if e.epoch_queries and not e.score_epochs:
        raise UserError(
            f"--epoch_queries={e.epoch_queries}: say which epochs to score by --score_epochs"
        )
    scored_epochs(e)
    _require(
        all(h >= 1 for h in e.hidden),
        "hidden",
        e,
        "give positive numbers of units, such as 512,256",
    )
    if e.num_models < 2 and e.masks != "official":
        raise UserError(
            f"--num_models={e.num_models}: a target needs shadow models; give at least 2"
        )
    _check_masks(e)
    if not e.signal_names:
        raise UserError(f"--signals={e.signals}: name at least one, such as phi,logits")
    _require(
        0 < e.boundary_step < math.inf, "boundary_step", e, "give a positive length, such as 0.02"
    )
    try:
        scales = e.merlin_noise
    except ValueError:
        scales = []
    _require(
        bool(scales) and all(0 < s < math.inf for s in scales) and len({*scales}) == len(scales),
        "merlin_scales",
        e,
        "give different positive numbers, comma separated, such as 0.01,0.03",
    )
    return e


def _check_drops(e: Experiment) -> None:
    """Sees that the learning rate falls in training, where it is to fall in steps."""
    if e.schedule == "step" and not e.drops:
        raise UserError("--schedule=step: say after which epochs by --drops, such as 81,122")
    if e.schedule != "step" and e.drops:
        raise UserError(
            f"--drops={','.join(map(str, e.drops))}: --schedule={e.schedule} has no steps; give "
            "--schedule=step"
        )
    ascending = list(e.drops) == sorted(set(e.drops))
    inside = all(1 <= epoch < e.epochs for epoch in e.drops)
    _require(ascending and inside, "drops", e, f"give ascending epochs from 1 to {e.epochs - 1}")
    _require(0 < e.drop_factor < 1, "drop_factor", e, "give a number between 0 and 1, such as 0.1")


def _check_masks(e: Experiment) -> None:
    """Sees that every example can be in as many training sets as balanced masks give it."""
    if e.masks.partition(":")[0] == "disjoint":
        targets = e.num_models // 2  # as data/masks.py has it
        for models, what in ((targets, "targets"), (e.num_models - targets, "shadow models")):
            in_models = e.pkeep * models
            even = abs(in_models - round(in_models)) < 1e-9 and 1 <= round(in_models) < models
            _require(
                even or models == 1,
                "num_models",
                e,
                f"disjoint masks put each example of a half into pkeep * {models} = {in_models:g} "
                f"of its {models} {what}, which must be a whole number below {models}: give 2, one "
                "target and one shadow model, or a multiple of 4 when pkeep is 0.5",
            )
    if e.masks == "official" and e.outliers:
        raise UserError(
            f"--outliers={e.outliers}: with --masks=official they would be of one official split, "
            "in all training sets or in none; take --masks=balanced"
        )
    if e.masks == "pairs":
        _require(e.num_models % 2 == 0, "num_models", e, "pairs of models need an even number")
        _require(e.pkeep == 0.5, "pkeep", e, "the models of a pair train on a half each; give 0.5")
    if e.masks == "balanced":
        in_models = e.pkeep * e.num_models
        even = abs(in_models - round(in_models)) < 1e-9 and 1 <= round(in_models) < e.num_models
        _require(
            even,
            "num_models",
            e,
            f"balanced masks put each example into pkeep * num_models = {in_models:g} models, "
            "which must be a whole number below num_models: change num_models (an even number "
            "when pkeep is 0.5) or take --masks=bernoulli",
        )


def _require(holds: bool, name: str, experiment: Experiment, fix: str) -> None:
    if not holds:
        raise UserError(f"--{shown(name, getattr(experiment, name))}: {fix}")


def _listed(choices) -> str:
    return ", ".join(str(c) for c in choices)
