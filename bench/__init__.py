"""Benchmarks: our training iteration beside the same computation in PyTorch and JAX.

``pytest --benchmark-only`` times each alone; ``python -m bench.compare_iterations`` times them in turns and
writes bench/results/; ``python -m bench.report`` puts what lies there into README.md.
"""
