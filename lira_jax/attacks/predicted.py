"""Offline LiRA with the in class predicted from other examples.

An offline attacker has trained no model on the example that he asks about, but he knows what
training does to examples of his own: how far and how surely it lifts the score of one whose out
scores lie where those of this example lie. So the in class is predicted by a regression over other
examples, and the likelihood ratio needs no in scores of the example itself. The attack is ours; a
kin of it is PMIA (NDSS 2026). The variances are moderated, as in moderated.py.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lira_jax.attacks import moderated
from lira_jax.attacks.lira import VARIANCE_FLOOR
from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists, variance_prior
from lira_jax.attacks.shared.blocks import over_blocks, sum_over_blocks
from lira_jax.attacks.shared.pairs import TrainingSet
from lira_jax.attacks.shared.variance_prior import VariancePrior
from lira_jax.errors import UserError

FOLDS = 5
FEWEST_EXAMPLES = 20
"""The regression has seven coefficients: fewer examples than this say nothing of how far off it
is."""

_STREAM = 0x666F6C64  # sets these random numbers apart from other uses of the same seed
_FEATURES = 7


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

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.sd


@dataclasses.dataclass(frozen=True)
class _Block:
    """Statistics of some examples: counts int [targets or 1, examples], the rest float64 [targets,
    examples]; of the out list 0 where there are fewer than two scores, of the in list where there
    is none."""

    in_count: np.ndarray
    in_mean: np.ndarray
    in_ss: np.ndarray
    out_count: np.ndarray
    out_mean: np.ndarray
    out_ss: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, inputs: inputs_lib.Inputs, block: slice) -> "_Block":
        phi, keep, own = inputs.block(block)
        in_count, in_mean, in_ss = inputs.moments(phi, keep)
        out_count, out_mean, out_ss = inputs.moments(phi, ~keep)
        return cls(
            in_count,
            np.where(in_count > 0, in_mean[..., 0], 0),
            in_ss[..., 0],
            out_count,
            np.where(out_count > 1, out_mean[..., 0], 0),
            out_ss[..., 0],
            own[..., 0],
        )

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

    def mean(self, block: _Block, part: np.ndarray) -> np.ndarray:
        """The predicted mean, float64 [targets, examples]; part is that of each example."""
        x = _features(self.z(block.out_mean), self.w(block.log_sd))
        return np.einsum("tnf,tnf->tn", x, self.coefficients[:, part])


def _predicted(inputs: inputs_lib.Inputs, known: inputs_lib.Inputs | None, seed: int) -> np.ndarray:
    num_examples, num_queries = inputs.phi.shape[1:]
    if known is None:
        generator = np.random.default_rng([seed, _STREAM])
        part = generator.permutation(num_examples) % FOLDS
    else:
        part = np.zeros(num_examples, int)

    def of_query(query: int) -> np.ndarray:
        asked = inputs.query(query)
        if known is None:
            return _scores(asked, _fit(asked, part), part)
        return _scores(asked, _fit(known.query(query), None), part)

    return sum(of_query(q) for q in range(num_queries)) / num_queries


def _scores(inputs: inputs_lib.Inputs, in_class: _InClass, part: np.ndarray) -> np.ndarray:
    """The attack on inputs of one query; part is that of each example, int [examples]."""
    out = moderated.Predictive.of(moderated.prior(inputs, False), inputs)
    score = np.empty((inputs.num_targets, len(part)))

    def attack(block: slice) -> None:
        b = _Block.of(inputs, block)
        variance = in_class.variance[:, part[block]]
        distance = b.own - in_class.mean(b, part[block])
        log_in = -0.5 * (distance * distance / variance + np.log(2 * np.pi * variance))
        log_out = out.log_density(
            b.out_count, b.out_mean[..., None], b.out_ss[..., None], b.own[..., None]
        )
        score[:, block] = log_in - log_out[..., 0]

    for _ in over_blocks(attack, len(part), inputs.per_example):
        pass
    return score


def _fit(inputs: inputs_lib.Inputs, part: np.ndarray | None) -> _InClass:
    """Two passes over the examples: the priors and scales, then the regression.

    Args:
      inputs: of one query.
      part: int [examples], what is fitted for one part coming from the others; None fits once, to
        all.
    """
    num_examples = inputs.phi.shape[1]
    if part is None:
        is_part = learned = np.ones((num_examples, 1), bool)
    else:
        is_part = part[:, None] == np.arange(FOLDS)  # [examples, parts]
        learned = ~is_part
    num_parts = is_part.shape[1]

    def of_learned(of_part: np.ndarray, axis: int = -1) -> np.ndarray:
        """Sums over what is learned from, of those over each part."""
        return of_part if part is None else of_part.sum(axis, keepdims=True) - of_part

    def sums(block: slice) -> tuple[np.ndarray, ...]:
        b, where = _Block.of(inputs, block), is_part[block].astype(np.int64)
        used, e, noise = variance_prior.list_terms(b.in_count, b.in_ss[..., None], VARIANCE_FLOOR)
        e, log_sd = e[..., 0], b.log_sd
        of_prior = used @ where, e @ where, (e * e) @ where, noise @ where
        of_scale = (b.out_mean.sum(1), (b.out_mean**2).sum(1), log_sd.sum(1), (log_sd**2).sum(1))
        return b.known @ where, *of_prior, b.scored.sum(1), *of_scale

    others, *found = sum_over_blocks(sums, num_examples, inputs.per_example)
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

    def products(block: slice) -> tuple[np.ndarray, ...]:
        b = _Block.of(inputs, block)
        x = _features(z(b.out_mean), w(b.log_sd)) * b.known[..., None]
        y = b.in_mean * b.known
        gram = np.empty((len(y), num_parts, _FEATURES, _FEATURES))
        moment, square = np.empty((len(y), num_parts, _FEATURES)), np.empty((len(y), num_parts))
        for k in range(num_parts):
            here = is_part[block, k]
            of_part, y_of_part = x[:, here], y[:, here]
            gram[:, k] = of_part.transpose(0, 2, 1) @ of_part
            moment[:, k] = np.einsum("tnf,tn->tf", of_part, y_of_part)
            square[:, k] = np.einsum("tn,tn->t", y_of_part, y_of_part)
        return gram, moment, square, *_in_variances(in_prior, b, learned[block])

    gram, moment, square, of_scores, of_means = sum_over_blocks(
        products, num_examples, inputs.per_example
    )
    gram, moment, square = (of_learned(s, axis=1) for s in (gram, moment, square))
    coefficients = np.linalg.pinv(gram, hermitian=True) @ moment[..., None]
    explained = np.einsum("tkf,tkf->tk", coefficients[..., 0], moment)
    residual = np.maximum(square - explained, 0) / others
    variance = np.maximum(residual - of_means / others, 0) + of_scores / others
    return _InClass(z, w, coefficients[..., 0], np.maximum(variance, VARIANCE_FLOOR))


def _in_variances(
    prior: VariancePrior, block: _Block, learned: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each part, sums over the examples that it learns from, float64 [targets, parts]: of the
    moderated variances of their in lists, and of the variances of their in means.

    Args:
      learned: bool [examples, parts], which examples each part learns from.
    """
    count = np.maximum(block.in_count, 1)
    of_scores, of_means = np.empty((2, len(block.in_ss), learned.shape[1]))
    for k in range(learned.shape[1]):
        own = VariancePrior(prior.freedom[:, k, None], prior.variance[:, k, None], prior.floor)
        variance = own.moderated(block.in_ss, own.degrees(count))
        variance = variance * (block.known & learned[:, k])
        of_scores[:, k] = variance.sum(1)
        of_means[:, k] = (variance / count).sum(1)
    return of_scores, of_means


def _features(z: np.ndarray, w: np.ndarray) -> np.ndarray:
    """[targets, examples, features]."""
    return np.stack([np.ones_like(z), z, z * z, z**3, w, w * w, z * w], -1)
