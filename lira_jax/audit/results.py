"""What an audit finds: the schema of results.json.

docs/run_directory.md describes the files for those who read them by other means.
"""

import dataclasses
import math
import os
import pathlib
from typing import Any

from lira_jax.audit import codec
from lira_jax.errors import UserError
from lira_jax.evaluation.assessment import AttackResults
from lira_jax.evaluation.calibrated import Calibrated
from lira_jax.evaluation.calibration import Calibration
from lira_jax.evaluation.confidence_shapes import ConfidenceShapes
from lira_jax.evaluation.estimate import Estimate
from lira_jax.evaluation.exposure import SourceExposure
from lira_jax.evaluation.groups import Confidence, GroupDecisions
from lira_jax.evaluation.loss_traces import LossTraces
from lira_jax.evaluation.risk import (
    PrecisionRecall,
    RiskByClass,
    RiskCalibration,
    RiskDistribution,
)
from lira_jax.evaluation.summary import CurveRow, Row
from lira_jax.runs import layout, result_set
from lira_jax.runs.directory import RunDirectory

VERSION = 3
"""Of the schema.

Version 1 had no `version`, no `thresholds`, and left out what was not known; version 2 nothing of
thresholds for each example, of other models' and of agreement.
"""

_ABOUT = (
    *("targets", "models", "compat", "used_queries", "stop_at", "release", "shadows_defence"),
    *("shadows", "target_run", "num_examples", "examples_sha256"),
)
"""What tells whose results they are."""


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """Accuracy of the targets on the plain images.

    Attributes:
      members: of each target, on the examples it trained on; NaN without any.
      nonmembers: of each target, on the others.
    """

    members: tuple[float, ...]
    nonmembers: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class PrivacyRisk:
    """What the privacy risk score says of the targets (Song and Mittal 2021, section 4).

    Attributes:
      cumulative: distribution of the members' scores.
      calibration: the scores against the fraction that are members.
      precision_recall: of calling everybody a member whose score reaches a threshold.
      by_class: mean score and accuracy gap of each class.
    """

    cumulative: RiskDistribution
    calibration: RiskCalibration
    precision_recall: PrecisionRecall
    by_class: RiskByClass


@dataclasses.dataclass(frozen=True)
class FalsePositiveRate(Estimate):
    """How often an attack takes probes for members: mean over targets, with its interval.

    Attributes:
      per_target: the rate of each target; empty for the pool's non-members.
      score_of_positives: mean maximum prediction score (MMPS) of the probes that are called
        members, mean over the targets that call any (Hintersdorf et al. 2022, table 3); NaN
        without any.
      score_of_negatives: of those that are called non-members.
    """

    per_target: tuple[float, ...] = ()
    score_of_positives: float = math.nan
    score_of_negatives: float = math.nan


@dataclasses.dataclass(frozen=True)
class ProbeResults:
    """What attacks say of one set of probes, which no model trained on (Hintersdorf et al. 2022).

    Attributes:
      maximum_score: mean largest confidence of the targets.
      false_positive_rate: attack -> rate.
      num_probes: how many probes; None for the pool's non-members.
      score_shift: earth mover's distance between the maximum scores of a target's members and its
        scores of the probes, mean over targets (Hintersdorf et al. 2022, figure 4).
    """

    maximum_score: float
    false_positive_rate: dict[str, FalsePositiveRate]
    num_probes: int | None = None
    score_shift: float = math.nan


@dataclasses.dataclass(frozen=True)
class ShadowRow(CurveRow):
    """Metrics of an attack with a random few of the shadow models.

    Attributes:
      num_shadows: how many, half of them trained on the example.
    """

    num_shadows: int


@dataclasses.dataclass(frozen=True)
class QueryRow(CurveRow):
    """Metrics of an attack with some of the queries of each example.

    Attributes:
      num_queries: how many; the plain one is always among them.
    """

    num_queries: int


@dataclasses.dataclass(frozen=True)
class StatisticRow(CurveRow):
    """Metrics of an attack on a statistic of the plain query.

    Attributes:
      statistic: name of the signal.
    """

    statistic: str


@dataclasses.dataclass(frozen=True)
class EpochRow(Row):
    """What one attack finds of the models as they were after an epoch (Rezaei and Liu 2021,
    section 7.1, figures 3 to 8, https://arxiv.org/abs/2005.13702).

    Attributes:
      epoch: how many the models were trained for.
      correct: metrics over the pairs that the target classifies correctly; None where these are
        unknown or hold no members or no non-members.
      misclassified: the same over the other pairs.
      groups: one of groups.GROUPS -> decisions on its pairs, at thresholds of other targets; empty
        where there are none, or where it is unknown what the targets classify rightly.
      misclassified_members: of a target, mean over targets; NaN where that is unknown.
      train_accuracy: on members, mean over targets, as metrics.jsonl has it; NaN if it is unknown,
        as for the next five.
      out_accuracy: on the pool's other examples.
      test_accuracy: on the test set.
      train_loss: mean cross-entropy of members.
      out_loss: of the pool's other examples.
      test_loss: of the test set.
    """

    epoch: int
    correct: Row | None
    misclassified: Row | None
    groups: dict[str, GroupDecisions]
    misclassified_members: float
    train_accuracy: float = math.nan
    out_accuracy: float = math.nan
    test_accuracy: float = math.nan
    train_loss: float = math.nan
    out_loss: float = math.nan
    test_loss: float = math.nan


@dataclasses.dataclass(frozen=True)
class Results:
    """All that an audit finds; results.json is this as JSON, with null for NaN.

    Attributes:
      targets: the models under attack; for a target from outside, where it comes from.
      models: the models whose outputs the attacks used, targets among them where these are models
        of the run.
      compat: value of --compat; empty for our own definitions.
      used_queries: how many of the saved queries the attacks were given; 0 for all.
      stop_at: where the models were stopped early, as --stop_at says; empty for the end.
      stop_epochs: how many epochs each target was trained for then; empty without stop_at.
      release: what the targets release in the place of their logits, as the folder in released/ is
        called; empty for the logits.
      shadows_defence: same, or none where the shadow models do not; empty without a release.
      num_examples: how many of the pool's examples are attacked, where not all are; 0 for all.
      examples_sha256: of which these are, and from which attacks learn; empty for all.
      shadows: path of the run of the shadow models, where it is not that of the targets.
      target_run: path of the run of the targets then, as seen from the results.
      target_recipe: settings of the targets' recipe that differ from the shadow models'.
      accuracy: of the targets; None where logits are unknown, as for the next two.
      calibration: how far the targets' maximum scores can be trusted, mean over targets.
      confidence: one of groups.GROUPS -> mean confidence of the targets on its pairs; empty where
        logits are unknown.
      confidence_shapes: what confidences of one class look like, for members and non-members; None
        where logits are unknown.
      risk: privacy risk scores; None too where there are no shadow members to learn from.
      exposure_by_source: source -> exposure, of the pool and the outliers put into it; empty
        without outliers.
      probes: set of probes -> what attacks say of it, the pool's non-members first; empty without
        probes.
      ablation: what each component of LiRA adds, in the order of LiRA's table II; empty without
        --ablation.
      num_shadows: LiRA with fewer shadow models; empty without --num_shadows.
      num_queries: LiRA with fewer queries (LiRA, table III); empty without --num_queries.
      statistics: LiRA on other statistics (LiRA, figure 8); empty without --statistics.
      epochs: one attack on the models as they were after some epochs; empty without --at_epochs.
      loss_traces: how well the losses of single examples over these epochs tell who is exposed;
        None without --at_epochs, or with too few epochs or models.
      attacks: attack -> what it finds.
      calibrated: statistic that attacks judge by -> what is found with a threshold for each
        example.
      pool_spread_factor: by how much shadow scores vary too little, at most, because all training
        sets are parts of one pool; NaN where they are no random parts.
      version: of the schema.
    """

    targets: tuple[int | str, ...]
    models: tuple[int | str, ...]
    compat: str = ""
    used_queries: int = 0
    stop_at: str = ""
    stop_epochs: tuple[int, ...] = ()
    release: str = ""
    shadows_defence: str = ""
    num_examples: int = 0
    examples_sha256: str = ""
    shadows: str | None = None
    target_run: str | None = None
    target_recipe: dict[str, Any] = dataclasses.field(default_factory=dict)
    accuracy: Accuracy | None = None
    calibration: Calibration | None = None
    confidence: dict[str, Confidence] = dataclasses.field(default_factory=dict)
    confidence_shapes: ConfidenceShapes | None = None
    risk: PrivacyRisk | None = None
    exposure_by_source: dict[str, SourceExposure] = dataclasses.field(default_factory=dict)
    probes: dict[str, ProbeResults] = dataclasses.field(default_factory=dict)
    ablation: tuple[Row, ...] = ()
    num_shadows: tuple[ShadowRow, ...] = ()
    num_queries: tuple[QueryRow, ...] = ()
    statistics: tuple[StatisticRow, ...] = ()
    epochs: tuple[EpochRow, ...] = ()
    loss_traces: LossTraces | None = None
    attacks: dict[str, AttackResults] = dataclasses.field(default_factory=dict)
    calibrated: dict[str, Calibrated] = dataclasses.field(default_factory=dict)
    pool_spread_factor: float = math.nan
    version: int = VERSION

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Results":
        """The results in a run directory, or wherever lira-attack --out has put them.

        Raises:
          UserError: there are none, or what is there was damaged or written by something else, or
            beside it are scores of another lira-attack.
        """
        folder = RunDirectory(pathlib.Path(path))
        value = folder.read_json(layout.RESULTS, written_by="lira-attack")
        found = cls.from_json(value, str(folder.path / layout.RESULTS))
        result_set.check(folder)
        return found

    @classmethod
    def from_json(cls, value: Any, where: str = layout.RESULTS) -> "Results":
        """The results that `to_json`, or an older version of it, has made this JSON of.

        Args:
          value: what json.loads gives.
          where: the file, for errors.

        Raises:
          UserError: it is of a newer version, holds no evaluated attack, or is something else.
        """
        if not isinstance(value, dict) or not value.get("attacks"):
            raise UserError(f"{where} holds no evaluated attack: run lira-attack again")
        version = value.get("version", 1)
        if not isinstance(version, int) or version > VERSION:
            raise UserError(
                f"{where} has version {version!r} and this lira_jax knows those up to {VERSION}: "
                "install a newer one, or run lira-attack again"
            )
        try:
            return codec.decode(cls, {**value, "version": VERSION})
        except ValueError as error:
            raise UserError(f"{where}: {error}; run lira-attack again") from None

    def to_json(self) -> dict[str, Any]:
        """What results.json holds."""
        return {"version": self.version, **codec.encode(self)}

    def calibration_of(self, attack: str) -> Calibrated | None:
        """What is found with a threshold for each example on the statistic of an attack."""
        return self.calibrated.get(self.attacks[attack].statistic or "")

    def about(self) -> dict[str, Any]:
        """Whose results they are, as results.json has it."""
        whole = codec.encode(dataclasses.replace(self, attacks={}, calibrated={}))
        return {name: whole[name] for name in _ABOUT}
