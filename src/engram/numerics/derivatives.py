"""Gradients where nothing else is differentiated or mapped: by a plain backward pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

__all__ = ["grad_and_value"]


def grad_and_value(function: Callable[..., Tensor]) -> Callable[..., tuple[Any, Tensor]]:
    r"""The gradient of a number in the first argument, and the number: :math:`x, y \mapsto (\nabla_x f(x, y),\ f(x, y))`.

    As `torch.func.grad_and_value`, which it calls inside another transform (`vmap`, `grad`). Outside of any, a plain backward pass does the same
    without the cost of a transform for each operation: a third of an outer step on small data. It can be differentiated again in whatever
    argument requires a gradient.

    Args:
        function: of tensors, or mappings of them, to a tensor of one number. What it does not get as arguments are constants.

    Returns:
        A function of the same arguments; gradients have the structure of the first.

    Example:
        >>> grad_and_value(lambda x, y: (x["a"] * y).sum())({"a": torch.ones(2)}, torch.tensor([3.0, 4.0]))
        ({'a': tensor([3., 4.])}, tensor(7.))
    """

    def found(first: Any, *others: Any) -> tuple[Any, Tensor]:
        if _transformed():
            result: tuple[Any, Tensor] = torch.func.grad_and_value(function)(first, *others)
            return result
        again = torch.is_grad_enabled() and any(
            isinstance(leaf, Tensor) and leaf.requires_grad for leaf in tree_leaves((first, others))
        )
        leaves, structure = tree_flatten(first)
        # A view: what else depends on the same tensor is not differentiated.
        moved = [
            leaf.view_as(leaf) if again and leaf.requires_grad else leaf.detach().requires_grad_() for leaf in leaves
        ]
        with torch.enable_grad():
            value = function(tree_unflatten(moved, structure), *others)
            grads = torch.autograd.grad(value, moved, create_graph=again, allow_unused=True, materialize_grads=True)
        return tree_unflatten(list(grads), structure), value if again else value.detach()

    return found


def _transformed() -> bool:
    """Whether this runs inside a transform of `torch.func`, where tensors cannot be asked to require a gradient."""
    try:
        torch.empty(0).requires_grad_()
    except RuntimeError:
        return True
    return False
