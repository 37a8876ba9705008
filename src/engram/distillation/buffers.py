"""The trajectories of experts, kept on disk.

A buffer is a cache that its own name describes: the same data, network, recipe, seed and code give the same file, so a
run that is resumed elsewhere finds it or makes it again. Set ``ENGRAM_CACHE`` to keep it in another place.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from safetensors import safe_open

from ..data.cache import cache_folder
from ..data.problem import Problem
from ..data.task import Task
from ..errors import ArtefactError, DivergenceError, OutputError
from ..learning.experts import Experts, Watch, learn, share_done
from ..learning.fitting import Fitted
from ..learning.network import Network, initialise, model_of
from ..learning.training import Loss
from ..memory.container import read_tensors, write_tensors
from ..memory.provenance import code_version
from ..numerics.optimizers import Params
from ..random import integer
from ..spec import encode

__all__ = ["Buffer", "Prepared", "experts", "missing", "teacher"]


@dataclass(frozen=True)
class Buffer:
    """Trajectories of experts on disk; one point is read at a time.

    Args:
        files: one for each expert.
        points: stored points of each trajectory, the start and the end among them.
        digest: of all points: what was written once is not changed unnoticed.
        seconds: that training them took, whenever that was.
    """

    files: tuple[str, ...]
    points: int
    digest: str
    seconds: float

    def at(self, expert: int, point: int, device: torch.device | str = "cpu") -> Params:
        """Parameters of one expert at one point of its trajectory."""
        with safe_open(self.files[expert], framework="pt") as file:
            # Cloned into aligned memory: sums over unaligned tensors round in another order.
            return {key: file.get_slice(key)[point].clone().to(device) for key in file.keys()}  # noqa: SIM118


@dataclass(frozen=True)
class Prepared:
    """What a method put on disk before a run.

    Args:
        digest: of its content; empty when there is nothing.
        seconds: that making it took, whenever that was.
    """

    digest: str = ""
    seconds: float = 0.0

    def __add__(self, other: "Prepared") -> "Prepared":
        """Both."""
        return Prepared(self.digest + other.digest, self.seconds + other.seconds)


def experts(problem: Problem, network: Network, recipe: Experts, seed: int, watch: Watch | None = None) -> Buffer:
    """Find the experts of this data, network, recipe and seed in the cache, or train them.

    Args:
        problem: only `train` is read.
        network: the architecture.
        recipe: how they are trained.
        seed: of their starts and batches.
        watch: called with the share of the work that is done.

    Returns:
        Their trajectories.

    Raises:
        DivergenceError: an expert is no longer finite.
        OutputError: the cache cannot be written.
    """
    watch = watch or (lambda done: None)
    marks = _marks(recipe)
    digest, files, seconds = hashlib.blake2b(digest_size=16), [], 0.0
    for k in range(recipe.count):
        name, path = _place(problem, network, recipe, seed, k)
        if not _known(path, name, _changed(path)):
            begun = time.perf_counter()
            trained = _trajectory(problem, network, recipe, seed, k, partial(share_done, watch, k, recipe.count))
            # Another process may have been faster: what is there already stays.
            if not _known(path, name, _changed(path)):
                write_tensors(path, trained, {"name": name, "seconds": time.perf_counter() - begun}, force=True)
        found = _known(path, name, _changed(path))
        if found is None:
            raise OutputError(f"{path} was changed while it was read: is the cache cleared by something?")
        digest.update(f"{name} {found.digest}".encode())
        seconds += found.seconds
        files.append(str(path))
        watch((k + 1) / recipe.count)
    return Buffer(tuple(files), len(marks), digest.hexdigest(), seconds)


def missing(problem: Problem, network: Network, recipe: Experts, seed: int) -> int:
    """How many of these experts are not in the cache yet."""
    places = [_place(problem, network, recipe, seed, k) for k in range(recipe.count)]
    return sum(_known(path, name, _changed(path)) is None for name, path in places)


def teacher(problem: Problem, network: Network, seed: int) -> Fitted:
    """One network trained on all real data by the usual recipe.

    Args:
        problem: only `train` is read.
        network: the architecture.
        seed: of its start and batches.

    Returns:
        The network.
    """
    buffer = experts(problem, network, Experts(), seed)
    params = buffer.at(0, buffer.points - 1, problem.train.device)
    return Fitted(model_of(network, problem.task), {key: value[None] for key, value in params.items()})


def _trajectory(problem: Problem, network: Network, recipe: Experts, seed: int, k: int, watch: Watch) -> Params:
    model = model_of(network, problem.task)
    start = initialise(network, problem.task, seed, "expert", k)
    params = {key: value.to(problem.train.device) for key, value in start.items()}
    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    kept, marks = [params], _marks(recipe)
    for step, now in enumerate(learn(model, params, problem.train, recipe, loss, seed, "expert", k), start=1):
        if step in marks:
            kept.append(now)
        if step % 20 == 0:
            watch(step / recipe.steps)
    if not all(torch.isfinite(value).all() for value in kept[-1].values()):
        raise DivergenceError(
            f"expert {k} is no longer finite: lower the experts' rate (it is {recipe.optimizer.rate})"
        )
    return {key: torch.stack([point[key] for point in kept]) for key in params}


def _marks(recipe: Experts) -> list[int]:
    return sorted({0, recipe.steps, *range(0, recipe.steps, recipe.every or recipe.steps)})


@cache
def _name(fingerprint: str, network: Network, task: Task, recipe: Experts, seed: int, k: int, device: str) -> str:
    """All that a trajectory depends on; the start stands for a user's own factory, whose code has no name."""
    start = initialise(network, task, integer(seed, "fingerprint"))
    numbers = b"".join(value.numpy().tobytes() for value in start.values())
    plain = encode((network, recipe.steps, recipe.batch, recipe.optimizer, recipe.every, recipe.augment, recipe.cosine))
    words = [fingerprint, plain, seed, k, device, code_version(), str(torch.__version__)]
    return hashlib.blake2b(json.dumps(words).encode() + numbers, digest_size=12).hexdigest()


def _place(problem: Problem, network: Network, recipe: Experts, seed: int, k: int) -> tuple[str, Path]:
    name = _name(problem.fingerprint, network, problem.task, recipe, seed, k, problem.train.device.type)
    return name, cache_folder("experts") / f"{name}.safetensors"


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


@cache
def _known(path: Path, name: str, changed: int) -> Prepared | None:
    """What a file of the cache holds, if it is there, whole, and what its name says."""
    if not changed:
        return None
    try:
        tensors, manifest = read_tensors(path)
        if manifest.get("name") != name:
            return None
        digest = hashlib.blake2b(digest_size=16)
        for key in sorted(tensors):
            digest.update(key.encode() + tensors[key].numpy().tobytes())
        return Prepared(digest.hexdigest(), float(manifest["seconds"]))
    except (ArtefactError, KeyError, TypeError, ValueError):
        return None
