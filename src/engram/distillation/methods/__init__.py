"""Distillation methods: one file each, a frozen dataclass with `init`, `step` and `export`."""
