"""What the theory predicts: links, population quantities, the first step, kernels. Pure functions of tensors."""

from .first_step import noise_ratio, predicted_overlap
from .links.hermite import Hermite
from .links.product import Product
from .links.radial import Radial
from .links.smooth import Smooth
from .population import Population, population

__all__ = ["Hermite", "Population", "Product", "Radial", "Smooth", "noise_ratio", "population", "predicted_overlap"]
