"""The same bits: sha256 of the samples of many small artefacts, to be compared before and after a change that moves code.

python benchmarks/bits.py run FILE     distil all, write the digests to FILE (JSON)
python benchmarks/bits.py check FILE   distil all, and say which digests differ from those in FILE

Bits are those of one machine, one version of torch and one thread; results/bits.json says of which. Every objective, every canvas,
selection, a custom network, two phases and every built-in dataset are among them.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from torch import nn

import engram
from engram.learning import Custom
from engram.memory.provenance import hardware

RUNS = {
    "digits, default": ("digits", None, engram.PerClass(1), 60),
    "digits, gradient matching": ("digits", "gradient-matching", engram.PerClass(1), 30),
    "digits, siamese": ("digits", "gradient-matching:augment=crop_scale_rotate,batch=16", engram.PerClass(2), 15),
    "digits, distribution": (
        "digits",
        "distribution-matching:augment=crop_scale_rotate,batch=16",
        engram.PerClass(1),
        20,
    ),
    "digits, formation": ("digits", "gradient-matching:formation=2,pool_data=real", engram.PerClass(1), 10),
    "digits, characteristic": ("digits", "characteristic-matching", engram.PerClass(1), 10),
    "digits, linear gradient": ("digits", "linear-gradient-matching", engram.PerClass(1), 10),
    "digits, trajectory": (
        "digits",
        "trajectory-matching:experts=2,expert_steps=100,expert_rate=0.03,last=3",
        engram.PerClass(1),
        8,
    ),
    "digits, trajectory at constant memory": (
        "digits",
        "trajectory-matching:experts=1,expert_steps=80,expert_rate=0.03,last=2,labels=teacher,constant=true",
        engram.PerClass(1),
        4,
    ),
    "digits, mixtures": ("digits", "performance-matching:mixtures=2", engram.PerClass(2), 10),
    "digits, unrolled": ("digits", "dd:steps=5,batch=64", engram.PerClass(1), 5),
    "digits, implicit": ("digits", "rcig:steps=5,batch=64,pool=3", engram.PerClass(1), 5),
    "digits, herding with a teacher": ("digits", "herding:labels=teacher", engram.PerClass(2), None),
    "digits, k-center": ("digits", "k-center", engram.PerClass(2), None),
    "digits, k-means": ("digits", "k-means", engram.PerClass(2), None),
    "digits, random": ("digits", "random", engram.PerClass(2), None),
    "digits, patches": ("digits", "rded", engram.PerClass(2), None),
    "wine, default": ("wine", None, engram.PerClass(1), 100),
    "breast-cancer, default": ("breast-cancer", None, engram.PerClass(1), 100),
    "diabetes, default": ("diabetes", None, engram.Items(10), 100),
    "diabetes, mirrored pairs": ("diabetes", "performance-matching:start=pairs", engram.Items(6), 20),
    "multi-index, two phases": ("multi-index:d=20,r=2", "two-phase:labels=100,steps=10", engram.Items(6), 10),
    "multi-index, default": ("multi-index:d=12,r=2", None, engram.Items(10), 30),
    "wine, custom network": ("wine", None, engram.PerClass(1), 30),
}


class Own(nn.Module):
    """A network of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(13, 16)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc(torch.tanh(self.a(x)))


def digests() -> dict[str, str]:
    torch.set_num_threads(1)
    found = {}
    for name, (source, word, budget, steps) in RUNS.items():
        network = Custom(Own, head="fc", name="make") if "custom" in name else None
        memory = engram.distill(engram.load_problem(source), word, budget=budget, steps=steps, network=network)
        total = hashlib.sha256()
        for key, samples in memory.sets.items():
            total.update(key.encode())
            for tensor in (samples.inputs, samples.targets):
                total.update(tensor.cpu().contiguous().numpy().tobytes())
        found[name] = total.hexdigest()
        print(found[name][:16], name, flush=True)
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("run", "check"):
        raise SystemExit(__doc__)
    what, file = sys.argv[1], Path(sys.argv[2])
    found = digests()
    if what == "run":
        record = {"torch": str(torch.__version__), "hardware": hardware(), "samples": found}
        file.write_text(json.dumps(record, indent=1) + "\n")
    else:
        known = json.loads(file.read_text())["samples"]
        differ = [name for name in RUNS if known.get(name) != found[name]]
        raise SystemExit(f"{len(differ)} of {len(RUNS)} differ: {', '.join(differ)}" if differ else 0)
