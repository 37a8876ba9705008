"""Foreign learners: each with its own ordinary recipe, none tuned for what it is given."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, ClassVar, Protocol

import torch

from ..data.metrics import Metric, score
from ..data.problem import Problem
from ..data.split import Split
from ..errors import DivergenceError, SettingError, UnknownNameError, nearest
from ..learning.fitting import fit, outputs
from ..learning.network import Network, large_image
from ..learning.networks.convnet import ConvNet
from ..learning.networks.fcn import FCN
from ..learning.networks.inception_time import InceptionTime
from ..learning.networks.mlp import MLP
from ..learning.networks.random_convolutions import RandomConvolutions
from ..learning.networks.resnet import ResNet
from ..learning.training import Descent, Loss, Phase, Ridge, Training
from ..memory.lesson import Lesson
from ..numerics.optimizers import SGD, Adam
from ..spec import render

__all__ = [
    "LEARNERS",
    "PANELS",
    "Estimator",
    "Learner",
    "Recipe",
    "check_panel",
    "learner_names",
    "said_by",
    "score_estimator",
]

PANELS = ("none", "quick", "full")


class Learner(Protocol):
    """Somebody's way to learn from samples."""

    @property
    def trees(self) -> bool:
        """Whether it is made of trees."""
        ...

    @property
    def said(self) -> str:
        """In words."""
        ...

    def judge(self, lessons: Sequence[Lesson], problem: Problem, seeds: Sequence[int], split: Split) -> list[float]:
        """Learn from a lesson by each seed, and score on a split of the problem; what cannot be learnt is NaN."""
        ...


@dataclass(frozen=True)
class Estimator:
    """A scikit-learn estimator at its own defaults, on flat standardised inputs, with hard labels.

    Args:
        classifier: module and class, ``"svm.SVC"``.
        regressor: the same for numbers.
        trees: whether it is made of trees.
        settings: that differ from the defaults.
    """

    classifier: str
    regressor: str
    trees: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """In words."""
        changed = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.classifier} or {self.regressor} of scikit-learn{f', {changed}' if changed else ''}"

    def judge(self, lessons: Sequence[Lesson], problem: Problem, seeds: Sequence[int], split: Split) -> list[float]:
        """Fit one estimator for each seed."""
        return [self._one(lesson, problem, seed, split) for lesson, seed in zip(lessons, seeds, strict=True)]

    def _one(self, lesson: Lesson, problem: Problem, seed: int, split: Split) -> float:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.multioutput import MultiOutputRegressor

        x, y = lesson.inputs.flatten(1).cpu().numpy(), lesson.targets.cpu().numpy()
        model = self._made(problem.classes is not None, seed)
        if y.ndim == 2:
            model, y = (MultiOutputRegressor(model), y) if y.shape[1] > 1 else (model, y[:, 0])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                return score_estimator(model.fit(x, y), problem, split)
        except ValueError:  # samples that it cannot learn from, such as those of one class alone
            return float("nan")

    def _made(self, classes: bool, seed: int) -> Any:
        module, _, name = (self.classifier if classes else self.regressor).partition(".")
        # Trees and kernel machines take a third of a second to import, for this alone.
        model = getattr(import_module(f"sklearn.{module}"), name)()
        known = model.get_params()
        chosen = {key: value for key, value in self.settings.items() if key in known}
        return model.set_params(**chosen, **({"random_state": seed} if "random_state" in known else {}))


@dataclass(frozen=True)
class Recipe:
    """A network by a recipe of descent.

    Args:
        training: the recipe.
        soft: whether it is given probabilities in place of classes.
    """

    training: Training
    soft: bool = False
    trees: ClassVar[bool] = False

    @property
    def said(self) -> str:
        """In words."""
        return (
            f"{render(self.training.network)}, {self.training.phases[0]}, {'probabilities' if self.soft else 'classes'}"
        )

    def judge(self, lessons: Sequence[Lesson], problem: Problem, seeds: Sequence[int], split: Split) -> list[float]:
        """Train all networks at once where they fit, and one by one where images are large."""
        training = self.training if problem.classes else _for_numbers(self.training)
        sets = [
            lesson.soft() if self.soft and lesson.probabilities is not None else lesson.hard(problem.classes)
            for lesson in lessons
        ]
        together = len({len(lesson) for lesson in lessons}) == 1 and not large_image(problem.task.shape)
        places = [range(len(seeds))] if together else [range(k, k + 1) for k in range(len(seeds))]
        found: list[float] = []
        for some in places:
            try:
                given = [{"main": sets[k]} for k in some]
                fitted = fit(training, problem.task, given, [seeds[k] for k in some])
                found += score(problem.metric, outputs(fitted, split), split.targets).tolist()
            except DivergenceError:
                found += [float("nan")] * len(some)
        return found


def score_estimator(model: Any, problem: Problem, split: Split) -> float:
    """Score a fitted scikit-learn estimator, a batch at a time.

    Args:
        model: fitted on flat inputs, to class numbers or standardised targets.
        problem: whose metric.
        split: whose rows.

    Returns:
        The score.
    """
    return float(score(problem.metric, said_by(model, problem, split), split.targets.cpu()))


def said_by(model: Any, problem: Problem, split: Split) -> torch.Tensor:
    """What a fitted scikit-learn estimator says of a split, (N, C), as a network would: of classes, indicator rows unless ranks are asked."""
    found = [torch.from_numpy(model.predict(x.flatten(1).cpu().numpy())) for x, _, _ in split.batches()]
    predicted = torch.cat(found)
    if not problem.classes:
        return predicted.float().reshape(split.targets.shape)
    scores = torch.nn.functional.one_hot(predicted.long(), problem.classes).float()
    if problem.metric is not Metric.AUROC:
        return scores
    likely = hasattr(model, "predict_proba")
    if not likely and not hasattr(model, "decision_function"):
        return scores
    ranks = model.predict_proba if likely else model.decision_function
    said = [torch.from_numpy(ranks(x.flatten(1).cpu().numpy())) for x, _, _ in split.batches()]
    ranked = torch.cat(said).float()
    ranked = ranked.clamp_min(1e-12).log() if likely else ranked
    # Of two classes a margin is that of the second.
    ranked = torch.stack([-ranked / 2, ranked / 2], 1) if ranked.ndim == 1 else ranked
    # A class that was never taught ranks last.
    scores = torch.full_like(scores, float(ranked.min()) - 1)
    scores[:, torch.as_tensor(model.classes_).long()] = ranked
    return scores


def _for_numbers(training: Training) -> Training:
    phases = (
        replace(p, solver=replace(p.solver, loss=Loss.SQUARED)) if isinstance(p.solver, Descent) else p
        for p in training.phases
    )
    return Training(training.network, tuple(phases))


_FIELD = Descent(SGD(0.01, 0.9, 5e-4), 300, loss=Loss.CROSS_ENTROPY)
"""The field's recipe: SGD, momentum 0.9, weight decay 5e-4, 300 epochs on all samples (DC, arXiv 2006.05929)."""
_DSA = replace(_FIELD, steps=1000, augment="color_crop_cutout_scale_rotate")
_ADAM = Descent(Adam(1e-3), 300, loss=Loss.CROSS_ENTROPY)


def _recipe(network: Network, solver: Descent = _FIELD, soft: bool = False) -> Recipe:
    return Recipe(Training(network, (Phase(solver),)), soft)


LEARNERS: dict[str, Learner] = {
    "linear": Estimator("linear_model.LogisticRegression", "linear_model.Ridge", settings={"max_iter": 1000}),
    "1-nn": Estimator("neighbors.KNeighborsClassifier", "neighbors.KNeighborsRegressor", settings={"n_neighbors": 1}),
    "svm": Estimator("svm.SVC", "svm.SVR"),
    "mlp": Estimator("neural_network.MLPClassifier", "neural_network.MLPRegressor", settings={"max_iter": 500}),
    "forest": Estimator("ensemble.RandomForestClassifier", "ensemble.RandomForestRegressor", trees=True),
    "boosting": Estimator("ensemble.GradientBoostingClassifier", "ensemble.GradientBoostingRegressor", trees=True),
    "field": _recipe(ConvNet()),
    "field-soft": _recipe(ConvNet(), soft=True),
    "field-dsa": _recipe(ConvNet(), _DSA),
    "convnet": _recipe(ConvNet(width=32)),
    "convnet-adam": _recipe(ConvNet(width=32), _ADAM),
    "convnet-group": _recipe(ConvNet(width=32, norm="group")),
    "mlp-sgd": _recipe(MLP()),
    "resnet": _recipe(ResNet(width=32)),
    "convolutions": Recipe(Training(RandomConvolutions(width=1000, length=7), (Phase(Ridge()),))),
    "fcn": _recipe(FCN(width=64), _ADAM),
    "inception-time": _recipe(InceptionTime(), _ADAM),
    # By these, settings are chosen; the panel has others.
    "linear-svm": Estimator("svm.LinearSVC", "svm.LinearSVR"),
    "3-nn": Estimator("neighbors.KNeighborsClassifier", "neighbors.KNeighborsRegressor", settings={"n_neighbors": 3}),
    "bayes": Estimator("naive_bayes.GaussianNB", "linear_model.BayesianRidge"),
    "extra-trees": Estimator("ensemble.ExtraTreesClassifier", "ensemble.ExtraTreesRegressor", trees=True),
}
"""By the names under which `Protocol` asks for them."""

_ROWS = {
    "quick": ("linear", "1-nn", "svm", "mlp", "forest"),
    "full": ("linear", "1-nn", "svm", "mlp", "forest", "boosting"),
}
_IMAGES = {
    "quick": ("convnet", "mlp-sgd"),
    "full": ("field", "field-soft", "field-dsa", "convnet-adam", "convnet-group", "mlp-sgd", "resnet"),
}
"""Of images of 28 pixels and more, at which the field's networks are aimed."""

_SERIES = {
    "quick": ("convolutions", "1-nn", "forest"),
    "full": ("convolutions", "1-nn", "forest", "fcn", "inception-time"),
}


def check_panel(panel: str, judges: Sequence[str] = ()) -> None:
    """Refuse wrong words before anything runs.

    Raises:
        SettingError: another panel than `PANELS`.
        UnknownNameError: a judge that is not known.
    """
    if panel not in PANELS:
        raise SettingError(f"panel is {panel!r}: choose none, quick or full")
    for name in judges:
        if name not in LEARNERS:
            raise UnknownNameError(f"unknown learner {name!r}: {nearest(name, LEARNERS)}")


def learner_names(problem: Problem, panel: str, judges: Sequence[str] = ()) -> list[str]:
    """The panel for a kind of data, and whoever is asked beside it.

    Args:
        problem: rows, series, or images.
        panel: none, quick or full.
        judges: further names.

    Returns:
        Names in order, none twice.
    """
    series = len(problem.task.shape) == 2
    fixed = (_SERIES if series else _IMAGES if large_image(problem.task.shape) else _ROWS).get(panel, ())
    return list(dict.fromkeys((*fixed, *judges)))
