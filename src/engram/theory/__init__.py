"""Closed forms of the two-layer theory: an oracle that knows tasks and kernels, and no method."""
