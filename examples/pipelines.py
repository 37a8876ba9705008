"""Few rows in place of many inside pipelines: imbalanced-learn's resampling pipeline, and scikit-learn by hand.

python examples/pipelines.py [FOLDER] [--quick]      about half a minute on two cores; --quick takes ten seconds
"""

# %% A table, and a sampler that distils it
import sys

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from engram import DistillationSampler

steps = 30 if "--quick" in sys.argv else None
x, y = load_breast_cancer(return_X_y=True, as_frame=True)
train, test, y_train, y_test = train_test_split(x, y, test_size=0.3, stratify=y, random_state=0)
sampler = DistillationSampler(per_class=5, steps=steps, random_state=0)

# %% By hand: ten synthetic rows teach a pipeline of scikit-learn
rows, labels = sampler.fit_resample(train, y_train)
model = make_pipeline(StandardScaler().fit(train), LogisticRegression())
model[-1].fit(model[0].transform(rows), labels)
print(f"{len(rows)} synthetic rows in place of {len(train)}: test accuracy {model.score(test, y_test):.3f}")
print(f"all rows: {make_pipeline(StandardScaler(), LogisticRegression()).fit(train, y_train).score(test, y_test):.3f}")

# %% Inside imbalanced-learn's pipeline, which resamples while fitting alone
try:
    from imblearn.pipeline import make_pipeline as resampling
except ImportError:
    print("pip install imbalanced-learn shows the other pipeline")
else:
    whole = resampling(StandardScaler(), sampler, LogisticRegression()).fit(train, y_train)
    print(f"in imbalanced-learn's pipeline: {whole.score(test, y_test):.3f}")
