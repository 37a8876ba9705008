"""The learning process that is compressed: networks, phases, training."""

from .fitting import Fitted, fit
from .network import Network
from .networks.convnet import ConvNet
from .networks.custom import Custom
from .networks.mlp import MLP
from .networks.resnet import ResNet
from .networks.two_layer import TwoLayer
from .responses import gradient_outer_product
from .training import Descent, Loss, Part, Phase, Ridge, Training

__all__ = [
    "MLP",
    "ConvNet",
    "Custom",
    "Descent",
    "Fitted",
    "Loss",
    "Network",
    "Part",
    "Phase",
    "ResNet",
    "Ridge",
    "Training",
    "TwoLayer",
    "fit",
    "gradient_outer_product",
]
