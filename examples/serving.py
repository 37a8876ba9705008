"""From a table with dates, text and ids to a model that one can serve: as a file of engram's, and as an ONNX graph.

python examples/serving.py [FOLDER] [--quick]      half a minute on two cores; --quick takes ten seconds
"""

# %% A table as people have it
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import engram
from engram.memory.onnx import save_onnx

quick = "--quick" in sys.argv
folder = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), "serving"))
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)
n = 1200
late = rng.random(n) < 0.4
table = pd.DataFrame(
    {
        "order": [f"N-{k:06}" for k in range(n)],
        "placed": pd.date_range("2024-01-01", periods=n, freq="7h").strftime("%d/%m/%Y"),
        "paid": [f"{value:.2f} €" for value in rng.lognormal(3, 1, n)],
        "message": [
            " ".join(
                rng.choice(
                    ["waited", "late", "courier", "weeks", "lost"]
                    if one
                    else ["quick", "fine", "thanks", "nice", "great"],
                    6,
                )
            )
            for one in late
        ],
        "refund": late ^ (rng.random(n) < 0.1),
    }
)

# %% Distil, and keep a trained network with all it takes to predict
problem = engram.Problem.from_frame(table, "refund")
print(*problem.notes, sep="\n")
memory = engram.distill(problem, budget=engram.PerClass(5), steps=30 if quick else None)
model = memory.replay(seed=0)
model.save(folder / "refund.safetensors", force=True)

# %% Elsewhere: raw rows in, probabilities out
served = engram.load_model(folder / "refund.safetensors")
new = table.drop(columns="refund").head(3)
print(pd.DataFrame(served.predict_proba(new), columns=served.classes_, index=new["order"]).round(3))

# %% The same as an ONNX graph, where onnx is installed; text and dates enter as prepared columns
try:
    save_onnx(model, folder / "refund.onnx", force=True)
    print(
        "an ONNX graph of",
        (folder / "refund.onnx").stat().st_size,
        "bytes; it takes",
        *problem.preprocessing.prepared[:3],
        "...",
    )
except engram.EngramError as error:
    print(error)
