"""What was asked for, in the forms in which people ask: a number for a budget, a word for a precision; and what cannot be done, before any work."""

from operator import index
from typing import Any

import torch

from ..data.problem import Problem
from ..data.room import machine_bytes
from ..data.task import Task
from ..errors import BudgetError, SettingError
from ..learning.network import Network
from ..samples.budget import Budget, Items, Precision
from ..spec import load, names, render
from .method import Method
from .ranks import size

__all__ = ["as_budget", "as_precision", "require_room", "require_shareable", "whole"]

_COPIES = 4
"""A network in training holds its gradient and the optimizer's two moments as well."""


def as_budget(given: Any) -> Budget | None:
    """A budget; a whole number means items.

    Args:
        given: a budget, a number, or None.

    Returns:
        The budget, None for the usual one.

    Raises:
        BudgetError: anything else.

    Example:
        >>> as_budget(3)
        Items(count=3)
    """
    if given is None or hasattr(given, "counts"):
        budget: Budget | None = given
        return budget
    try:
        if isinstance(given, bool):
            raise TypeError
        return Items(index(given))
    except TypeError as error:
        raise BudgetError(
            f"budget is {given!r}: give PerClass(n), Items(n), Bytes(n), or a whole number of items"
        ) from error


def as_precision(given: Any) -> Precision | None:
    """A precision, or its name.

    Args:
        given: ``"float16"``, a `Precision`, or None.

    Returns:
        The precision, None for that of the data.

    Raises:
        SettingError: another word.

    Example:
        >>> as_precision("uint8").bytes
        1
    """
    try:
        return None if given is None else Precision(given)
    except ValueError as error:
        raise SettingError(f"precision is {given!r}; it takes {', '.join(one.value for one in Precision)}") from error


def whole(given: Any, what: str, least: int = 0) -> int:
    """A whole number, of whatever library.

    Args:
        given: the number.
        what: for the message.
        least: that it may be.

    Returns:
        Python's own.

    Raises:
        SettingError: no whole number, or less.

    Example:
        >>> whole(3, "steps")
        3
    """
    try:
        if isinstance(given, bool):
            raise TypeError
        found = index(given)
    except TypeError as error:
        raise SettingError(f"{what} is {given!r}; it takes a whole number") from error
    if found < least:
        raise SettingError(f"{what} is {found}; it is at least {least}")
    return found


def require_room(network: Network, task: Task) -> None:
    """Refuse a network that this machine cannot hold in training; nothing is allocated to find out.

    Args:
        network: the architecture.
        task: shape of inputs and number of outputs.

    Raises:
        SettingError: more bytes than the machine has, which the message names.
    """
    if hasattr(network, "factory"):
        # A user's own code may do anything where tensors hold no numbers.
        return
    with torch.device("meta"):
        needed = sum(value.numel() for value in network.build(task.shape, task.outputs).parameters())
    there = machine_bytes()
    if 4 * _COPIES * needed > there:
        raise SettingError(
            f"{render(network)} has {needed:,} parameters, {4 * _COPIES * needed:,} bytes in training; this machine has {there:,}: "
            "give a smaller network"
        )


def require_shareable(method: Method, problem: Problem) -> None:
    """Refuse a method whose outer step is one piece, where several processes are to share it.

    Raises:
        SettingError: with the methods that can be shared.
    """
    parts = getattr(method, "parts", None)
    if size() == 1 or (parts is not None and parts(problem)):
        return
    able = [name for name in names("methods") if hasattr(load("methods", name), "real_features")]
    raise SettingError(
        f"an outer step of {render(method).partition(':')[0]} is one piece, which {size()} processes cannot share: start one, or use "
        f"{', '.join(able)}"
    )
