"""Sources of data: one file each, a frozen dataclass with `suffixes` and `load(seed)`."""
