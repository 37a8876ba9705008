"""The whole journey in one call: distil, write, judge, report."""
