"""The ridge readout against its normal equations, in both of its forms."""

import pytest
import torch
from sklearn.linear_model import Ridge

from engram.numerics.linalg import ridge


def oracle(x, y, regularisation, weights):
    """Written out entry by entry."""
    n, f = x.shape
    phi = [[*row, 1.0] for row in x.tolist()]
    trace = sum(weights[i] * sum(v * v for v in phi[i]) for i in range(n))
    a = torch.zeros(f + 1, f + 1, dtype=torch.float64)
    b = torch.zeros(f + 1, y.shape[1], dtype=torch.float64)
    for i in range(n):
        for j in range(f + 1):
            for k in range(f + 1):
                a[j, k] += weights[i] * phi[i][j] * phi[i][k]
            b[j] += weights[i] * phi[i][j] * y[i]
    return torch.linalg.inv(a + regularisation * trace / n * torch.eye(f + 1, dtype=torch.float64)) @ b


@pytest.mark.parametrize(("n", "f"), [(3, 8), (20, 4), (5, 5)])
def test_both_forms_meet_the_oracle(n, f):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, f, dtype=torch.float64, generator=generator)
    y = torch.randn(n, 2, dtype=torch.float64, generator=generator)
    w = torch.rand(n, dtype=torch.float64, generator=generator)
    expected = oracle(x, y, 0.01, w.tolist())
    assert torch.allclose(ridge(x, y, 0.01, w), expected, atol=1e-10)
    assert not torch.allclose(ridge(x, y, 0.02, w), expected, atol=1e-4), "a wrong penalty must be seen"
    assert not torch.allclose(ridge(x, y, 0.01), expected, atol=1e-4), "missing weights must be seen"


def test_scikit_learn_agrees():
    generator = torch.Generator().manual_seed(1)
    x, y = (
        torch.randn(30, 4, dtype=torch.float64, generator=generator),
        torch.randn(30, 1, dtype=torch.float64, generator=generator),
    )
    phi = torch.cat([x, torch.ones(30, 1)], 1)
    alpha = 0.1 * float(phi.square().sum()) / 30
    expected = Ridge(alpha=alpha, fit_intercept=False).fit(phi.numpy(), y.numpy()).coef_
    assert torch.allclose(ridge(x, y, 0.1).flatten(), torch.from_numpy(expected).flatten(), atol=1e-9)


def test_it_is_differentiable_in_rows_and_labels():
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    y = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: ridge(a, b, 1e-2), (x, y))
