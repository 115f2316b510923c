"""Offline LiRA with the in class predicted from other examples.

An offline attacker has trained no model on the example that he asks about, but he knows what
training does to examples of his own: how far and how surely it lifts the score of one whose out
scores lie where those of this example lie. So the in class is predicted by a regression over other
examples, and the likelihood ratio needs no in scores of the example itself. The attack is ours; a
kin of it is PMIA (NDSS 2026). The variances are moderated, as in moderated.py.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from lira_jax.attacks import moderated
from lira_jax.attacks.lira import VARIANCE_FLOOR
from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists, normal, variance_prior
from lira_jax.attacks.shared.blocks import over_blocks
from lira_jax.attacks.shared.pairs import TrainingSet
from lira_jax.attacks.shared.variance_prior import VariancePrior
from lira_jax.errors import UserError

FOLDS = 5
FEWEST_EXAMPLES = 20
"""The regression has seven coefficients: fewer examples than this say nothing of how far off it
is."""

_STREAM = 0x666F6C64  # sets these random numbers apart from other uses of the same seed
_FEATURES = 7
_PRODUCT = 2**18  # multiplications
_PAIRS = 2**22  # whose statistics are kept at a time, some 40 bytes each


def predicted(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    training_set: TrainingSet | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Attack scores of every target on every example; higher = more likely a member.

    The score is the mean over queries of log N(phi; mu, v_in) - log t(phi; out), the second as
    `moderated` has it, where mu is a polynomial of the example's out list, fitted by least squares
    to the in means of OTHER examples: 1, z, z^2, z^3, w, w^2, z w, with z the standardised mean of
    the out list and w the standardised log of its standard deviation. v_in is how far the in scores
    of other examples scatter about their prediction: the variance of the residuals, less the mean
    variance of the in means (not below 0), plus the mean moderated variance of the in lists.

    The examples are in 5 random parts, and what is fitted for one part (the polynomial, v_in and
    the prior of the in variances) comes from the four others: no in score of an example has a say
    in its own score. Only the standardisation and the prior of the out variances are of all
    examples. All is fitted for each target and query by itself, and the scores of the target and of
    its partners are in none of the lists, at no example.

    With a training set the polynomial, v_in, the prior of the in variances and the standardisation
    come from its examples, of which none is under attack, and there are no parts.

    Args:
      phi: float [models, examples, queries], scaled logits or any signal that is higher for
        members; [models, examples] is one query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], phi of targets from outside the models instead.
      training_set: other examples, of which the same models have in and out lists: what an
        attacker has whose shadow models trained on data of his own.
      seed: of the parts.

    Returns:
      float64 [targets, examples]. NaN where an example has fewer than two out scores.

    Raises:
      UserError: shapes that disagree, a score that is NaN or infinite, no example has two out
        scores, or fewer than FEWEST_EXAMPLES examples outside some part, or of the training set,
        have in scores too.
    """
    inputs = inputs_lib.check(phi, keep, targets, observed)
    known = None
    if training_set is not None:
        known = inputs.lists_of(training_set.values, training_set.keep)
    return lists.on_scored(
        inputs, lists.TWO_OUT, "the prediction", lambda scored: _predicted(scored, known, seed)
    )


@dataclasses.dataclass(frozen=True)
class _Scale:
    """Mean and standard deviation over the examples, float64 [targets, 1]."""

    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def of_sums(cls, count: np.ndarray, first: np.ndarray, second: np.ndarray) -> "_Scale":
        mean = first / count
        sd = np.sqrt(np.maximum(second / count - mean * mean, 0))
        return cls(mean[:, None], np.where(sd > 0, sd, 1)[:, None])

    def of_rows(self, rows: slice) -> "_Scale":
        """The same of some of the targets."""
        return _Scale(self.mean[rows], self.sd[rows])

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.sd


@dataclasses.dataclass(frozen=True)
class _Lists:
    """Statistics of one query's lists, and what is judged: counts int [targets or 1, examples], the
    rest float64 [targets, examples], of the lists one row if nothing is left out for any target; of
    the out list 0 where there are fewer than two scores, of the in list where there is none."""

    in_count: np.ndarray
    in_mean: np.ndarray
    in_ss: np.ndarray
    out_count: np.ndarray
    out_mean: np.ndarray
    out_ss: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, inputs: inputs_lib.Inputs) -> "_Lists":
        """Those of inputs of one query, made once for all passes over them."""

        def of_block(block: slice) -> tuple[np.ndarray, ...]:
            phi, keep, _ = inputs.block(block)
            in_count, in_mean, in_ss = inputs.moments(phi, keep)
            out_count, out_mean, out_ss = inputs.moments(phi, ~keep)
            return (
                in_count,
                np.where(in_count > 0, in_mean[..., 0], 0),
                in_ss[..., 0],
                out_count,
                np.where(out_count > 1, out_mean[..., 0], 0),
                out_ss[..., 0],
            )

        found: list[np.ndarray] = []
        done = 0
        num_examples = inputs.phi.shape[1]
        for parts in over_blocks(of_block, num_examples, inputs.per_example):
            found = found or [np.empty((len(p), num_examples), p.dtype) for p in parts]
            for whole, part in zip(found, parts, strict=True):
                whole[:, done : done + part.shape[1]] = part
            done += parts[0].shape[1]
        own = np.stack([inputs.of_target(t)[:, 0] for t in range(inputs.num_targets)])
        in_count, in_mean, in_ss, out_count, out_mean, out_ss = found
        return cls(in_count, in_mean, in_ss, out_count, out_mean, out_ss, own)

    def of_rows(self, rows: slice) -> "_Lists":
        """The same of some of the targets."""
        return _Lists(*(a if len(a) == 1 else a[rows] for a in vars(self).values()))

    @property
    def scored(self) -> np.ndarray:
        """Which examples have out scores enough, bool [targets or 1, examples]."""
        return self.out_count > 1

    @property
    def known(self) -> np.ndarray:
        """Which of these have in scores too."""
        return self.scored & (self.in_count > 0)

    @property
    def log_sd(self) -> np.ndarray:
        """log of the out list's standard deviation, float64 [targets, examples]."""
        freedom = np.maximum(self.out_count - 1, 1)
        log_sd = 0.5 * np.log(np.maximum(self.out_ss / freedom, VARIANCE_FLOOR))
        return np.where(self.scored, log_sd, 0)


@dataclasses.dataclass(frozen=True)
class _InClass:
    """What other examples say of the in class; a row a target, a column a part of the examples.

    Attributes:
      z, w: standardise the mean and the log standard deviation of an out list.
      coefficients: float64 [targets, parts, features].
      variance: float64 [targets, parts], v_in.
    """

    z: _Scale
    w: _Scale
    coefficients: np.ndarray
    variance: np.ndarray


def _predicted(inputs: inputs_lib.Inputs, known: inputs_lib.Inputs | None, seed: int) -> np.ndarray:
    num_examples, num_queries = inputs.phi.shape[1:]
    order, parts = np.arange(num_examples), [slice(0, num_examples)]
    if known is None:
        generator = np.random.default_rng([seed, _STREAM])
        part = generator.permutation(num_examples) % FOLDS
        # The examples are looked at part after part, so that a part is a slice of them.
        order, ends = np.argsort(part, kind="stable"), np.cumsum(np.bincount(part)).tolist()
        parts = [slice(*ends_of) for ends_of in zip([0, *ends[:-1]], ends, strict=True)]

    score = np.zeros((inputs.num_targets, num_examples))
    number = len(score) if inputs.targets is None else max(1, _PAIRS // num_examples)
    for first in range(0, len(score), number):
        rows = slice(first, first + number)
        some, of_known = inputs.of_targets(rows), known and known.of_targets(rows)
        for query in range(num_queries):
            lists_of = _Lists.of(some.query(query).select(order))
            if of_known is None:
                in_class = _fit(lists_of, parts)
            else:
                learned = _Lists.of(of_known.query(query))
                in_class = _fit(learned, [slice(0, learned.own.shape[1])])
            _add_scores(score[rows], lists_of, some, in_class, parts)
    for row in score:
        row[order] = row / num_queries
    return score


def _add_scores(
    total: np.ndarray,
    lists_of: _Lists,
    inputs: inputs_lib.Inputs,
    in_class: _InClass,
    parts: Sequence[slice],
) -> None:
    """Adds the scores of one query to those of the others, [targets, examples]."""

    def sums(rows: slice) -> tuple[np.ndarray, ...]:
        own = lists_of.of_rows(rows)
        return moderated.prior_terms(own.out_count, own.out_ss[..., None])

    num_lists, num_examples = lists_of.out_ss.shape
    of_out = _of_rows(sums, num_lists, num_examples)
    out = moderated.Predictive.of(moderated.prior_of_sums(inputs, False, *of_out), inputs)

    def attack(rows: slice) -> None:
        own = lists_of.of_rows(rows)
        at = slice(0, 1) if len(in_class.variance) == 1 else rows
        log_in = np.empty(own.own.shape)
        x = _features(in_class.z.of_rows(at)(own.out_mean), in_class.w.of_rows(at)(own.log_sd))
        for k, part in enumerate(parts):
            variance = in_class.variance[at, k, None]
            mean = np.einsum("tfn,tf->tn", x[..., part], in_class.coefficients[at, k])
            log_in[:, part] = normal.log_density(own.own[:, part] - mean, variance)
        log_out = out.of_rows(at).log_density(
            own.out_count, own.out_mean[..., None], own.out_ss[..., None], own.own[..., None]
        )
        total[rows] += log_in - log_out[..., 0]

    for _ in over_blocks(attack, *total.shape):
        pass


def _fit(lists_of: _Lists, parts: Sequence[slice]) -> _InClass:
    """Two passes over the examples: the priors and scales, then the regression.

    Args:
      lists_of: of one query.
      parts: of the examples; what is fitted for one comes from the others, for a single one from
        itself.
    """
    num_rows, num_parts = len(lists_of.in_ss), len(parts)
    starts = [part.start for part in parts]
    _, num_examples = lists_of.own.shape

    def of_learned(of_part: np.ndarray, axis: int = -1) -> np.ndarray:
        """Sums over what is learned from, of those over each part."""
        return of_part if num_parts == 1 else of_part.sum(axis, keepdims=True) - of_part

    def by_part(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, starts, axis=1, dtype=np.result_type(values, np.int64))

    def sums(rows: slice) -> tuple[np.ndarray, ...]:
        b = lists_of.of_rows(rows)
        used, e, noise = variance_prior.list_terms(b.in_count, b.in_ss[..., None], VARIANCE_FLOOR)
        e, log_sd = e[..., 0], b.log_sd
        of_prior = by_part(used), by_part(e), by_part(e * e), by_part(noise)
        of_scale = (b.out_mean.sum(1), (b.out_mean**2).sum(1), log_sd.sum(1), (log_sd**2).sum(1))
        return by_part(b.known), *of_prior, b.scored.sum(1), *of_scale

    others, *found = _of_rows(sums, num_rows, num_examples)
    others = of_learned(others)  # [targets or 1, parts]
    if others.min() < FEWEST_EXAMPLES:
        raise UserError(
            f"{others.min()} other examples have in scores, to predict those of an example "
            f"{FEWEST_EXAMPLES} are needed: use more models (--num_models) or examples"
        )
    of_prior = variance_prior.Sums(*(of_learned(s) for s in found[:4]))
    if not np.all(of_prior.count):
        raise UserError(
            "no other example has 2 in scores, to tell how far they scatter: use more models "
            "(--num_models)"
        )
    in_prior = variance_prior.fit(of_prior, VARIANCE_FLOOR)
    scored = found[4]
    z, w = _Scale.of_sums(scored, *found[5:7]), _Scale.of_sums(scored, *found[7:9])

    def products(rows: slice) -> tuple[np.ndarray, ...]:
        b = lists_of.of_rows(rows)
        x = _features(z.of_rows(rows)(b.out_mean), w.of_rows(rows)(b.log_sd), b.in_mean)
        if not (known := b.known).all():
            x *= known[:, None]
        gram = np.stack([_gram(x[..., part]) for part in parts], axis=1)
        prior = VariancePrior(in_prior.freedom[rows], in_prior.variance[rows], in_prior.floor)
        return gram, *_in_variances(prior, b, parts)

    gram, of_scores, of_means = _of_rows(products, num_rows, num_examples)
    gram = of_learned(gram, axis=1)
    gram, moment, square = gram[..., :-1, :-1], gram[..., :-1, -1], gram[..., -1, -1]
    coefficients = np.linalg.pinv(gram, hermitian=True) @ moment[..., None]
    explained = np.einsum("tkf,tkf->tk", coefficients[..., 0], moment)
    residual = np.maximum(square - explained, 0) / others
    variance = np.maximum(residual - of_means / others, 0) + of_scores / others
    return _InClass(z, w, coefficients[..., 0], np.maximum(variance, VARIANCE_FLOOR))


def _of_rows(
    function: Callable[[slice], tuple[np.ndarray, ...]], num_rows: int, num_examples: int
) -> list[np.ndarray]:
    """What a function of some of the targets returns for each, of all of them: arrays [targets,
    ...]."""

    def of_each(rows: slice) -> list[np.ndarray]:
        number = len(range(*rows.indices(num_rows)))
        return [np.broadcast_to(a, (number, *a.shape[1:])) for a in function(rows)]

    found = over_blocks(of_each, num_rows, num_examples)
    return [np.concatenate(of_rows) for of_rows in zip(*found, strict=True)]


def _in_variances(
    prior: VariancePrior, lists_of: _Lists, parts: Sequence[slice]
) -> tuple[np.ndarray, np.ndarray]:
    """For each part, sums over the examples that it learns from, float64 [targets, parts]: of the
    moderated variances of their in lists, and of the variances of their in means."""
    count = np.maximum(lists_of.in_count, 1)
    known = lists_of.known.astype(np.float64)
    of_scores, of_means = np.empty((2, len(lists_of.in_ss), len(parts)))
    for k, part in enumerate(parts):
        own = VariancePrior(prior.freedom[:, k, None], prior.variance[:, k, None], prior.floor)
        variance = own.moderated(lists_of.in_ss, own.degrees(count))
        if len(parts) > 1:
            variance[:, part] = 0
        variance *= known
        of_scores[:, k] = variance.sum(1)
        variance /= count
        of_means[:, k] = variance.sum(1)
    return of_scores, of_means


def _features(z: np.ndarray, w: np.ndarray, *more: np.ndarray) -> np.ndarray:
    """[targets, features, examples], and what else is given as more of them."""
    x = np.empty((len(z), _FEATURES + len(more), z.shape[1]))
    x[:, 0], x[:, 1], x[:, 4] = 1, z, w
    np.multiply(z, z, out=x[:, 2])
    np.multiply(x[:, 2], z, out=x[:, 3])
    np.multiply(w, w, out=x[:, 5])
    np.multiply(z, w, out=x[:, 6])
    for k, values in enumerate(more):
        x[:, _FEATURES + k] = values
    return x


def _gram(x: np.ndarray) -> np.ndarray:
    """Products of all features of each target, [targets, features, features], of x [targets,
    features, examples]; of so few at a time that BLAS leaves each to one thread
    (evaluation/intervals.py says why)."""
    length = max(1, _PRODUCT // x.shape[1] ** 2)
    found = np.zeros((len(x), x.shape[1], x.shape[1]))
    for start in range(0, x.shape[2], length):
        part = x[..., start : start + length]
        found += part @ part.transpose(0, 2, 1)
    return found
