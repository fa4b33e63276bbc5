"""Measurements; `python -m tests.benchmarks [name ...]` runs them. Nothing here is asserted."""
