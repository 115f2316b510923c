import json
import math

from lira_jax.evaluation.confidence_shapes import ConfidenceShapes, Shape
from lira_jax.report.charts.confidence import histogram, mean_vectors


def test_members_stand_beside_non_members():
    known, unknown = Shape((0.75, 0.25), (0.5, 0.5)), Shape((math.nan,) * 2, (0.5, 0.5))
    found = ConfidenceShapes(0, {"correct": known}, 1, (0.0, 0.5, 1.0), {"misclassified": unknown})
    bars = mean_vectors(found, "correct", ["<cat>", "dog"])["data"]
    assert [bar["y"] for bar in bars] == [[0.75, 0.25], [0.5, 0.5]]
    assert bars[0]["x"] == ["&lt;cat&gt;", "dog"]
    drawn = histogram(found, "misclassified")
    assert [bar["y"] for bar in drawn["data"]] == [[None, None], [0.5, 0.5]]
    assert drawn["data"][0]["x"] == [0.25, 0.75]
    json.dumps(drawn, allow_nan=False)
