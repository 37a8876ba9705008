"""Pure functions of tensors: linear algebra, optimizers, distances, subspaces, statistics."""
