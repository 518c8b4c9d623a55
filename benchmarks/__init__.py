"""Benchmarks: one module for each claim of BENCHMARKS.md, each measured beside its peers in the same run.

``python -m benchmarks --help`` says how to run them.
"""
