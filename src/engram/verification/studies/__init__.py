"""The studies: one file each, found by its name; run with ``engram study NAME``."""
