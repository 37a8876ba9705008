"""The plugin, on a stand-in with the attributes and the order of calls of an Avalanche strategy."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from engram import PerClass
from engram.errors import SettingError
from engram.reuse.avalanche_plugin import EngramPlugin
from engram.reuse.experiences import experiences


class Strategy:
    """Naive finetuning, as Avalanche's: plugins are called by the names of their methods."""

    def __init__(self, plugins):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.05, 0.9)
        self.plugins, self.device = plugins, "cpu"

    def call(self, name):
        for plugin in self.plugins:
            if hasattr(plugin, name):
                getattr(plugin, name)(self)

    def train(self, experience):
        self.experience = experience
        for epoch in range(6):
            order = torch.randperm(len(experience.dataset), generator=torch.Generator().manual_seed(epoch))
            for part in order.split(32):
                x, y = (torch.stack([experience.dataset[k][i] for k in part.tolist()]) for i in (0, 1))
                self.optimizer.zero_grad()
                self.loss = nn.functional.cross_entropy(self.model(x), y)
                self.call("before_backward")
                self.loss.backward()
                self.optimizer.step()
        self.call("after_training_exp")


def experience(shared):
    """Triples, pixels between 0 and 1, labels in the whole's space."""
    x, y = shared.train.inputs.float() / 16, shared.train.targets
    return SimpleNamespace(dataset=[(x[k], y[k], 0) for k in range(len(y))])


def accuracy(strategy, shared):
    with torch.no_grad():
        said = strategy.model(shared.test.inputs.float() / 16).argmax(1)
    return float((said == shared.test.targets).float().mean())


def test_it_remembers_what_finetuning_forgets(digits):
    lives = experiences(digits, 2)
    plugin = EngramPlugin(10, budget=PerClass(10), method="herding")
    with_it, without = Strategy([plugin]), Strategy([])
    for life in lives:
        for strategy in (with_it, without):
            strategy.train(experience(life.shared))
    first, last = lives[0].shared, lives[1].shared
    assert accuracy(without, first) < 0.3
    assert accuracy(with_it, first) > accuracy(without, first) + 0.4
    assert accuracy(with_it, last) > 0.85
    assert len(plugin.memory.engrams) == 2


def test_sizes_are_checked():
    with pytest.raises(SettingError, match="classes is 1"):
        EngramPlugin(1)
