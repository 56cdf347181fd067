"""Benchmarks: every kernel beside BLAS, and our training iteration beside the same one in PyTorch and JAX.

``pytest --benchmark-only`` times each alone and prints tables.  ``python -m bench.compare_iterations`` times
iterations in turns, ``python -m bench.scaling`` does so over batch sizes and widths; both write bench/results/,
as does ``pytest bench --benchmark-only --keep bench/results``.  ``python -m bench.report`` puts what lies there
into README.md and docs/bench/.
"""
