"""Which types plain JSON beside tensors may have: checked when a file is read, by msgspec."""

from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from ..errors import ArtefactError

__all__ = ["Provenance", "Record", "Score", "fits", "require"]


Size = Annotated[int, Meta(ge=0, le=2**62)]
Error = Annotated[float, Meta(ge=0, le=1e300)]


class Spread(TypedDict):
    """A mean over seeds."""

    mean: float
    sem: Error | None
    n: NotRequired[int]
    runs: NotRequired[list[float]]


class Score(TypedDict):
    """One row of an evaluation."""

    mean: float
    sem: Error | None
    n: Size
    runs: NotRequired[list[float]]
    items: Size
    bytes: Size
    seconds: NotRequired[float | None]
    note: NotRequired[str]
    recall: NotRequired[list[float | None]]
    difference: NotRequired[Spread]


class Taught(TypedDict):
    """One foreign learner, by teacher (`evaluation.scores.TEACHERS`)."""

    engram: Spread
    random_bytes: Spread
    k_means_bytes: Spread
    gain: Spread


class Panel(TypedDict):
    """All foreign learners."""

    portability: float
    learners: dict[str, Taught]


class Verdict(TypedDict):
    """What became of a distillation."""

    failed: bool
    outcome: str
    sentence: str
    advice: str | None


class Chosen(TypedDict):
    """Why a method was taken."""

    reason: str


class Provenance(TypedDict, total=False):
    """Where an engram comes from; all of it may be missing."""

    problem: str
    fingerprint: str
    method: str
    budget: dict[str, Any] | None
    seed: int
    steps: int
    asked_steps: int
    status: str
    rows: dict[str, Size]
    data_bytes: Size
    input_names: list[str] | None
    rank: int | None
    notes: list[str]
    select_score: float | None
    history: list[tuple[int, float | None, float | None]]
    versions: dict[str, str]
    real_rows: bool
    guarantee: str
    readable: dict[str, Any]
    chosen: Chosen | None
    scores: dict[str, Score]
    verdict: Verdict
    panel: Panel


class Curves(TypedDict):
    """`evaluation.fidelity.Fidelity`."""

    steps: list[int]
    engram: list[float]
    full: list[float]
    cosine: list[float]
    agreement: list[float]
    features: NotRequired[list[float]]


class Held(TypedDict):
    """`evaluation.directions.Directions`."""

    inputs: int
    dimension: int
    low: int
    high: int
    chance: float
    samples_data: float
    samples_network: float
    data_network: float
    engram_network: float
    angles: list[float]


class Record(TypedDict, total=False):
    """What lies beside an engram (`run_folder.RunFolder`)."""

    engram: str
    protocol: str
    seconds: dict[str, float | None]
    curves: Curves | None
    directions: Held | None
    panel: Panel | None


def require(plain: Any, kind: Any, what: str) -> None:
    """Refuse JSON of other types; fields that are not known may be anything.

    Args:
        plain: as it was read.
        kind: a type of this file, or a dataclass.
        what: it is called in the message.

    Raises:
        ArtefactError: a field is missing, or of another type; the message names it.

    Example:
        >>> require({"problem": 3}, Provenance, "x.engram")
        Traceback (most recent call last):
        ...
        engram.errors.ArtefactError: x.engram: Expected `str`, got `int` - at `$.problem`
    """
    try:
        msgspec.convert(plain, kind)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        raise ArtefactError(f"{what}: {error}") from error


def fits(plain: Any, kind: Any) -> bool:
    """Whether JSON is of these types.

    Example:
        >>> fits({"mean": 1.0, "sem": None}, Spread), fits({"mean": "1"}, Spread)
        (True, False)
    """
    try:
        require(plain, kind, "")
    except ArtefactError:
        return False
    return True
