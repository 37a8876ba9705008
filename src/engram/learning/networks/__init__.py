"""Architectures: one file each, a frozen dataclass with `build(shape, outputs)`."""
