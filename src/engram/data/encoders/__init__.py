"""Encoders that can be opened from a path: one file each."""
