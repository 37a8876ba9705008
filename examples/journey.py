"""The whole journey as a notebook: distil, judge, look, use. Run it, or open it cell by cell.

python examples/journey.py [FOLDER] [--quick]      files go to FOLDER, ./journey if absent; half a minute on two cores, or a few seconds
"""

# %% Where files go, and what is told on the way
import logging
import sys
from pathlib import Path

import engram

logging.basicConfig(level=logging.INFO, format="%(message)s")
logging.getLogger("matplotlib").setLevel(logging.WARNING)
folder = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), "journey"))
folder.mkdir(parents=True, exist_ok=True)


def progress(now: engram.Progress) -> None:
    """Print each stage as it ends."""
    if now.done == 1:
        print(f"  {now.stage}: done")


# %% One call: distil ten images, write the artefact, judge it, keep what the report needs.
# Interrupt it as you like: the same call with resume=True goes on, bit for bit.
outcome = engram.run(
    "digits",
    out=folder / "digits.engram",
    budget=engram.PerClass(1),
    quick=True,
    steps=30 if "--quick" in sys.argv else None,
    panel="none" if "--quick" in sys.argv else "quick",
    seeds=2,
    report=True,
    force=True,
    watch=progress,
)
print(outcome.engram)

# %% Scores: every row has its raw runs, and differences are paired
for name, row in outcome.scores.rows.items():
    print(f"{name:18} {sum(row.runs) / len(row.runs):.3f} of {row.items:5,} items")
print("minus k-means centres at equal bytes:", outcome.scores.difference("k_means_bytes"))

# %% Replay: a fresh network from the file alone, which takes raw images
memory = engram.load(folder / "digits.engram")
problem = engram.load_problem("digits")
raw = problem.preprocessing.decode(problem.test.inputs[:8])
print("predicted", memory.replay(seed=7).predict(raw))

# %% Another network from the same ten images
from engram.learning import MLP  # noqa: E402

print("an MLP says", memory.replay(seed=7, network=MLP(width=256)).predict(raw))

# %% On how many directions does the task depend, and what of them do ten images hold?
from engram.data import dimension  # noqa: E402
from engram.evaluation import directions  # noqa: E402

found = dimension(problem.train)
held = directions(memory, problem, seeds=[0])
print(
    f"{found.estimate} of {problem.train.inputs[0].numel()} directions; the engram's networks hold {held.engram_network:.2f} of them"
)

# %% The page to look at
print("open", folder / "digits.html")
