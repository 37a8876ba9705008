"""The theory, verified numerically: studies of cells that are measured and claims that are judged."""
