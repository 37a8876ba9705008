"""A run that dies while it puts something on disk goes on and ends in the same bytes; `interruptions.py` tries every point."""

import interruptions
import pytest
from interruptions import JOBS, Job, crashed

TINY = Job(
    "distill wine --per-class 1 --network mlp:width=8 --steps 4 --seeds 1 --panel none --out OUT -q",
    "w.engram",
    JOBS["distill"].facts,
)


@pytest.fixture(scope="module")
def whole():
    return interruptions._whole(TINY)


def test_death_at_any_point_costs_nothing(whole):
    # First the checkpoint, then the artefact, then the scores: a few points of each.
    assert crashed(TINY, (0, 1, 2, 5, 12, 20), whole) == []


def test_other_bytes_are_seen(whole):
    (fault,) = crashed(TINY, (2,), whole + b"x")
    assert fault == "point 2: other results"


def test_a_run_has_points_to_die_at():
    assert interruptions.points(TINY) > 12
