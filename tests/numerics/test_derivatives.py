"""Gradients by a plain backward pass are those of torch.func, wherever they are taken."""

import torch
from torch.func import grad, vmap
from torch.func import grad_and_value as reference

from engram.numerics.derivatives import grad_and_value

X = {"w": torch.tensor([0.3, -1.2, 2.0]), "unused": torch.ones(2)}
Y = torch.tensor([1.0, 0.5, -2.0])


def loss(x, y):
    return (x["w"].sin() * y).square().sum()


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_as_torch_func_has_them():
    same(grad_and_value(loss)(X, Y), reference(loss)(X, Y))
    assert not any(value.requires_grad for value in grad_and_value(loss)(X, Y)[0].values())


def test_inside_a_map_and_inside_a_gradient():
    stacked = {key: torch.stack([value, 2 * value]) for key, value in X.items()}
    same(*(vmap(f(loss), in_dims=(0, None))(stacked, Y) for f in (grad_and_value, reference)))
    # A derivative of a derivative: in what is moved, and in what is not.
    steep = lambda f: lambda y: f(loss)(X, y)[0]["w"].square().sum()  # noqa: E731
    second = grad(steep(reference))(Y)
    assert second.abs().max() > 0
    same(grad(steep(grad_and_value))(Y), second)
    y = Y.clone().requires_grad_()
    same(torch.autograd.grad(steep(grad_and_value)(y), y)[0], second)


def test_what_the_first_argument_was_made_of_is_held():
    """The derivative in x of f(x, g(x)) is that of its first place alone."""
    x = torch.tensor([0.5, 2.0], requires_grad=True)
    first, _ = grad_and_value(lambda a, b: (a.square() * b).sum())(x, x.exp())
    same(first, 2 * x * x.exp())
    same(torch.autograd.grad(first.sum(), x)[0], torch.autograd.grad((2 * x * x.exp()).sum(), x)[0])


def test_without_gradients_around():
    with torch.no_grad():
        same(grad_and_value(loss)(X, Y), reference(loss)(X, Y))
