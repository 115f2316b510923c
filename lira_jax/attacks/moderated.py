"""LiRA with moderated variances: Student's t in the place of the normal distribution.

With few shadow models an example's own variance is noise, and one variance for all examples is
wrong for most. The moderated t-statistic of Smyth 2004 (https://doi.org/10.2202/1544-6115.1027)
weighs the two by what the data say of how much variances differ (shared/variance_prior.py). No
choice of a variance is left to the user: with many shadow models it becomes LiRA with a variance an
example, and where all variances are equal LiRA with a fixed one. The application to LiRA is ours; a
kin of it is bavaria.py.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lira_jax.attacks.lira import VARIANCE_FLOOR
from lira_jax.attacks.shared import inputs as inputs_lib
from lira_jax.attacks.shared import lists, student, variance_prior
from lira_jax.attacks.shared.blocks import sum_over_blocks
from lira_jax.attacks.shared.variance_prior import VariancePrior
from lira_jax.errors import UserError

FORMS = ("online", "one_sided")


def moderated(
    phi: np.ndarray,
    keep: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    observed: np.ndarray | None = None,
    *,
    form: str = "online",
    freedom: float | None = None,
) -> np.ndarray:
    """Attack scores of every target on every example; higher = more likely a member.

    A list of n scores with mean m and sum of squares SS about it has the moderated variance v = (d0
    s0^2 + SS) / (d0 + n - 1). A score that is drawn like those of the list is then m + sqrt(v (1 +
    1 / n)) T, with T of Student's t with d0 + n - 1 degrees of freedom.

    d0 and s0^2 are fitted for each target, list and query, to the variances of that list of all
    examples that have enough scores, the example's own among them. The scores of the target and of
    its partners are in none of these lists, at no example.

    Args:
      phi: float [models, examples, queries], scaled logits or any signal that is higher for
        members; [models, examples] is one query.
      keep: bool [models, examples], who trained on what.
      targets: indices of the models that are attacked, each with all others as its shadows (less
        one partner an example, see leave_out.py); all models by default.
      observed: float [targets, examples, queries], phi of targets from outside the models instead.
      form: "online": mean over queries of log t(phi; in) - log t(phi; out), densities with their
        normalising constants. "one_sided": offline, the mean over queries of the normal deviate
        with the tail of (phi - m_out) / sqrt(v_out (1 + 1 / n_out)) (`student.deviate`), as LiRA's
        equation 4 has it for the normal distribution.
      freedom: d0 instead of the fitted one: infinity is one variance for all examples, 0 a plain t.

    Returns:
      float64 [targets, examples]. NaN where a list that the form reads is empty (with freedom=0:
      has fewer than two scores).

    Raises:
      UserError: unknown form, a negative freedom, shapes that disagree, a score that is NaN or
        infinite, or no example has two scores in a list.
    """
    if form not in FORMS:
        raise UserError(f"form={form}: it is one of {', '.join(FORMS)}")
    if freedom is not None and not freedom >= 0:
        raise UserError(f"freedom={freedom}: give 0 or more, or None to fit it")
    inputs = inputs_lib.check(phi, keep, targets, observed)
    need = 2 if freedom == 0 else 1
    fewest = lists.Fewest(need if form == "online" else 0, need)
    return lists.on_scored(
        inputs, fewest, "the moderated variance", lambda scored: _moderated(scored, form, freedom)
    )


def prior(inputs: inputs_lib.Inputs, bit: bool, freedom: float | None = None) -> VariancePrior:
    """The prior of one list's variances, arrays [targets, 1, queries]; [1, 1, queries] if nothing
    is left out for any target.

    Args:
      inputs: of the attack.
      bit: the keep bit of the list: True in, False out.
      freedom: d0 instead of the fitted one.

    Raises:
      UserError: no example has two scores in the list.
    """

    def sums(block: slice) -> tuple[np.ndarray, ...]:
        phi, keep, _ = inputs.block(block)
        count, _, ss = inputs.moments(phi, keep == bit)
        return prior_terms(count, ss)

    of_all = sum_over_blocks(sums, inputs.phi.shape[1], inputs.per_example)
    return prior_of_sums(inputs, bit, *of_all, freedom=freedom)


def prior_terms(
    count: np.ndarray, ss: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What lists give to the prior of their variances, summed over the examples.

    Args:
      count: int [targets or 1, examples], scores in the list.
      ss: float64 [targets, examples, queries], their sum of squares about their mean.

    Returns:
      Lists that count [targets or 1]; sums of e and of e^2, [targets, queries], and of the noise,
      [targets or 1] (variance_prior.Sums).
    """
    used, e, noise = variance_prior.list_terms(count, ss, VARIANCE_FLOOR)
    return used.sum(1), e.sum(1), np.einsum("tnq,tnq->tq", e, e), noise.sum(1)


def prior_of_sums(
    inputs: inputs_lib.Inputs,
    bit: bool,
    count: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    noise: np.ndarray,
    *,
    freedom: float | None = None,
) -> VariancePrior:
    """`prior` from the sums over all examples of what `prior_terms` gives."""
    if not count.all():
        need = lists.Fewest(2, 0) if bit else lists.TWO_OUT
        raise lists.too_few(inputs, need, "the moderated variance")
    count, noise = count[:, None, None], noise[:, None, None]
    found = variance_prior.Sums(count, first[:, None], second[:, None], noise)
    return variance_prior.fit(found, VARIANCE_FLOOR, freedom)


def _moderated(inputs: inputs_lib.Inputs, form: str, freedom: float | None) -> np.ndarray:
    bits = (True, False) if form == "online" else (False,)  # the keep bit: in, out
    predictive = {bit: Predictive.of(prior(inputs, bit, freedom), inputs) for bit in bits}

    def attack(phi: np.ndarray, keep: np.ndarray, own: np.ndarray) -> np.ndarray:
        terms = []
        for bit in bits:
            t = predictive[bit]
            judge = t.log_density if form == "online" else t.deviate
            terms.append(judge(*inputs.moments(phi, keep == bit), own))
        return inputs_lib.query_mean(terms[0] - terms[1] if form == "online" else terms[0])

    return inputs.scores(attack)


@dataclasses.dataclass(frozen=True)
class Predictive:
    """What a list says of the score of a model that belongs to it: Student's t.

    Attributes:
      prior: of the list's variances, arrays [targets, 1, queries].
      degrees: float64 [targets, lengths, queries], degrees of freedom for lists of 0, 1, 2, ...
        scores. Many lists have the same length, and what depends on it alone is slow to compute.
      constant: the normalising constant of each, of the same shape.
    """

    prior: VariancePrior
    degrees: np.ndarray
    constant: np.ndarray

    @classmethod
    def of(cls, prior: VariancePrior, inputs: inputs_lib.Inputs) -> "Predictive":
        """That of a list whose variances have this prior."""
        lengths = np.maximum(np.arange(len(inputs.keep) + 1), 2 if not prior.freedom.all() else 1)
        degrees = prior.degrees(lengths[:, None])
        return cls(prior, degrees, student.log_constant(degrees))

    def of_rows(self, rows: slice) -> "Predictive":
        """The same for some of the targets."""
        prior = dataclasses.replace(
            self.prior, freedom=self.prior.freedom[rows], variance=self.prior.variance[rows]
        )
        return Predictive(prior, self.degrees[rows], self.constant[rows])

    def log_density(
        self, count: np.ndarray, mean: np.ndarray, ss: np.ndarray, own: np.ndarray
    ) -> np.ndarray:
        """Log density of the targets' scores.

        Args:
          count: int [targets or 1, examples], scores in the list; with none the result is NaN.
          mean, ss: float64 [targets, examples, queries], of these scores.
          own: float [targets, examples, queries], the targets' scores.

        Returns:
          float64 [targets, examples, queries].
        """
        degrees, constant = _of_length(self.degrees, count), _of_length(self.constant, count)
        variance = self._variance(count, ss, degrees)
        return student.log_density(np.subtract(own, mean), variance, degrees, constant)

    def deviate(
        self, count: np.ndarray, mean: np.ndarray, ss: np.ndarray, own: np.ndarray
    ) -> np.ndarray:
        """The normal deviates of the targets' scores; arguments as for `log_density`."""
        degrees = _of_length(self.degrees, count)
        distance = np.subtract(own, mean)
        distance /= np.sqrt(self._variance(count, ss, degrees))
        return student.deviate(distance, degrees)

    def _variance(self, count: np.ndarray, ss: np.ndarray, degrees: np.ndarray) -> np.ndarray:
        """Of the score of another model: that of the list's mean is added."""
        variance = self.prior.moderated(ss, degrees)
        variance *= (1 + 1 / np.maximum(count, 1))[..., None]
        return variance


def _of_length(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """values [targets, lengths, queries] of the lists of an example, count [targets or 1,
    examples]: float64 [targets, examples or 1, queries]."""
    if (count == count[0, 0]).all():
        return values[:, count[0, :1]]
    if len(count) == 1:
        return values[:, count[0]]
    return np.take_along_axis(values, count[..., None], axis=1)
