"""Runs of other tools in miniature."""

import pytest
from interop.foreign_runs import WRITERS, make


@pytest.fixture
def outputs():
    """keep [M, N], labels [N], logits [M, N, A, K] and the tools' score of them."""
    return make(queries=18)


@pytest.fixture(params=WRITERS)
def layout(request):
    return request.param
