"""A network of your own that goes on learning, with engrams of what it learnt before as its memory.

python examples/going_on.py [FOLDER] [--quick]      about a minute on two cores; --quick takes fifteen seconds
"""

# %% Digits in two experiences: one half of the classes, then the other
import sys

import torch
from torch import nn

import engram

quick = "--quick" in sys.argv
digits = engram.load_problem("digits")
first, second = (engram.load_problem("digits", classes=list(names)) for names in ("01234", "56789"))

# %% What is remembered of the first: five engrams' worth of bytes are never exceeded, however many come
kept = engram.distill(first, "dm", budget=engram.PerClass(5), steps=10 if quick else 200)
memory = engram.ReplayMemory(digits.target, limit=5 * kept.canvas_bytes).add(kept)
print(memory)


# %% An ordinary loop: a minibatch of what is new, and beside it one of memories with the loss that their labels are for
def learn(network: nn.Module, problem: engram.Problem, replay: bool) -> None:
    """Plain SGD."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    places = torch.tensor([digits.target.names.index(name) for name in problem.target.names])
    for step in range(150):
        x, scores, _ = problem.train.sample(64, step, 0)
        loss = nn.functional.cross_entropy(network(x), places[scores.argmax(1)])
        if replay:
            drawn = memory.sample(64, torch.Generator().manual_seed(step))
            loss = loss + memory.loss(network(drawn.inputs), drawn)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def accuracy(network: nn.Module, problem: engram.Problem) -> float:
    """On the test rows."""
    places = torch.tensor([digits.target.names.index(name) for name in problem.target.names])
    x, scores, _ = problem.test.batch(slice(None))
    return float((network(x).argmax(1) == places[scores.argmax(1)]).float().mean())


# %% With the memory and without it
for replay in (False, True):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    learn(network, first, replay=False)
    learn(network, second, replay=replay)
    name = "replaying the engram" if replay else "without a memory"
    print(f"{name}: first half {accuracy(network, first):.3f}, second half {accuracy(network, second):.3f}")
