"""Transfer: what a network taught by an engram brings to a related task of which few rows are known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..data.part import of_classes
from ..data.preprocessing.columns import Columns
from ..data.preprocessing.pixels import Pixels
from ..data.preprocessing.series import Series
from ..data.preprocessing.vectors import Vectors
from ..data.problem import Problem
from ..data.source import load_problem
from ..data.targets import Classes
from ..distillation import defaults
from ..errors import DataError, SettingError
from ..evaluation.baselines import scores_on
from ..evaluation.scores import gain, sign, summarise
from ..learning.network import Network
from ..learning.training import Training
from ..memory.engram import Engram
from .starts import NEED_SOURCE, STARTS, Bench

__all__ = ["Transferred", "source_of", "transfer"]


@dataclass(frozen=True)
class Transferred:
    """What was found.

    Args:
        metric: its name; higher is better.
        shots: rows of each class (in all for numbers) that were known of the task.
        test: by start, then by way: test scores, one of each seed.
        select: the same on validation rows, by which a start's way is chosen.
    """

    metric: str
    shots: int
    test: Mapping[str, Mapping[str, tuple[float, ...]]]
    select: Mapping[str, Mapping[str, tuple[float, ...]]]

    def way(self, start: str) -> str:
        """That of a start which does best on validation rows."""
        own = self.select[start]
        return max(own, key=lambda way: sum(own[way]))

    def runs(self, start: str) -> tuple[float, ...]:
        """Test scores of a start in its best way."""
        return self.test[start][self.way(start)]

    def gain(self, over: str) -> dict[str, Any]:
        """The engram's scores minus those of another start, seed by seed."""
        return gain(self.runs("engram"), [self.runs(over)])

    @property
    def verdict(self) -> str:
        """In one sentence."""
        words = {1: "it helps", 0: "it does not help beyond doubt", -1: "it harms"}
        found = self.gain("scratch")
        if found["sem"] is None:
            return f"one seed proves nothing: {found['mean']:+.3f} to learning from scratch"
        said = f"{words[sign(found)]}: {found['mean']:+.3f} ± {found['sem']:.3f} to learning from scratch"
        rivals = [name for name in ("random_features", "random", "k_means") if name in self.test]
        best = max(rivals, key=lambda name: sum(self.runs(name)))
        other = self.gain(best)
        return f"{said}; {other['mean']:+.3f} ± {other['sem']:.3f} to {best.replace('_', ' ')}, the best without all data of the source"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: every start's scores, in each way and in the chosen one."""
        scores: dict[str, Any] = {}
        for name, ways in self.test.items():
            scores[name] = summarise(self.runs(name)) | {
                "way": self.way(name),
                "ways": {way: summarise(runs) for way, runs in ways.items()},
            }
            if name != "engram":
                scores[name]["difference"] = self.gain(name)
        return {"metric": self.metric, "shots": self.shots, "scores": scores, "verdict": self.verdict}


def transfer(
    engram: Engram,
    problem: Problem,
    *,
    shots: int = 5,
    seeds: int = 5,
    source: Problem | None = None,
    network: Network | None = None,
    starts: Sequence[str] = STARTS,
    watch: Callable[[float, str], None] | None = None,
) -> Transferred:
    r"""Learn a task from few rows, on from what an engram of another taught.

    The body :math:`\phi` of a network is taught by replay; the task's few rows then teach a new readout, or all of the network:

    .. math:: \min_{W, b} \sum_{n \le K} |W \phi(x_n) + b - y_n|^2

    Args:
        engram: of the source task; its inputs and the problem's have one shape.
        problem: the target task.
        shots: rows of each class that are known of it, at least 1; in all, ten times as many for numbers.
        seeds: draws of these rows, and networks.
        source: the data that the engram was distilled from, for the starts that need them.
        network: the architecture; the engram's own, or one that learns features where that one does not.
        starts: of `STARTS`; those that need the source are left out without it.
        watch: called with the share of starts that are done, and the one under way.

    Returns:
        Scores on the target's test rows.

    Raises:
        DataError: inputs of another shape.
        SettingError: a network whose features stay as drawn, starts that are not known.
        BudgetError: more shots than rows.

    References:
        Kumar et al. 2022 (arXiv 2202.10054): a readout first, then all of the network.

    Example:
        >>> from engram import PerClass, distill, load_problem
        >>> wine = load_problem("wine")
        >>> found = transfer(distill(wine, budget=PerClass(1), steps=5), wine, shots=2, seeds=2)
        >>> sorted(found.test)
        ['engram', 'random_features', 'scratch']
    """
    for name in starts:
        if name not in STARTS:
            raise SettingError(f"{name!r} is no start; choose {', '.join(STARTS)}")
    if shots < 1 or seeds < 1:
        raise SettingError(f"shots is {shots} and seeds is {seeds}: give at least one of each")
    if not engram.labelled:
        raise SettingError("its points are the theory's own: no other task can be learnt from them")
    if problem.task.shape != engram.task.shape:
        raise DataError(
            f"the engram is for inputs of shape {engram.task.shape} and {problem.name} has {problem.task.shape}: give a task of the "
            "same inputs"
        )
    problem = _prepared(problem, engram)
    network = network or _learning(engram, problem)
    if getattr(network, "fixed_features", False):
        raise SettingError(f"{network} learns no features that could be handed on: choose another network")
    bench = Bench(engram, problem, source, _training(engram, problem, network), tuple(range(seeds)), shots)
    asked = [name for name in starts if source is not None or name not in NEED_SOURCE]
    test: dict[str, dict[str, tuple[float, ...]]] = {}
    select: dict[str, dict[str, tuple[float, ...]]] = {}
    for k, name in enumerate(asked):
        if watch is not None:
            watch(k / len(asked), name.replace("_", " "))
        for way, fitted in bench.learnt(name).items():
            test.setdefault(name, {})[way] = scores_on(fitted, problem, problem.test)
            select.setdefault(name, {})[way] = scores_on(fitted, problem, problem.validation)
    if watch is not None:
        watch(1.0, "")
    return Transferred(problem.metric.value, shots, test, select)


def source_of(engram: Engram, text: str, seed: int = 0, kind: str | None = None) -> Problem:
    """The data that an engram was distilled from, or others like them: its target, its classes, its preprocessing.

    Args:
        engram: which says what the target is.
        text: as for `data.source.load_problem`.
        seed: of the split.
        kind: what arrays hold, where values do not tell.

    Returns:
        The problem of the engram's own task.

    Raises:
        EngramError: what cannot be read, or has not the engram's columns and classes.

    Example:
        >>> from engram import PerClass, distill, load_problem
        >>> memory = distill(load_problem("digits", classes=["1", "7"]), budget=PerClass(1), steps=1)
        >>> source_of(memory, "digits").target.names
        ('1', '7')
    """
    target = engram.target
    column = target.column if isinstance(target, Classes) else (target.names or (target.name,))
    plain = isinstance(engram.preprocessing, Columns)
    problem = load_problem(text, seed=seed, target=column if plain else None, kind=kind)
    if isinstance(target, Classes) and isinstance(problem.target, Classes) and problem.target.names != target.names:
        problem = of_classes(problem, target.names)
    return problem.under(engram.preprocessing, target, engram.metric, engram.linear)


def _prepared(problem: Problem, engram: Engram) -> Problem:
    """The task as networks of the source should see it: in units of its own spread; columns of a table, words and vectors as the source's."""
    own = type(problem.preprocessing)
    if own in (Pixels, Series, Vectors) and own is type(engram.preprocessing):
        return problem
    return problem.under(engram.preprocessing, problem.target, problem.metric)


def _learning(engram: Engram, problem: Problem) -> Network:
    own = engram.training.network
    return defaults.learning_network(problem) if getattr(own, "fixed_features", False) else own


def _training(engram: Engram, problem: Problem, network: Network) -> Training:
    """The engram's own, where it is one for all of a network; else the default for the kind of data."""
    own = engram.training
    if network == own.network and {phase.data for phase in own.phases} == {"main"} and len(own.phases) > 1:
        return own
    return defaults.training(problem, network)
