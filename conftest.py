"""What ``pytest`` collects: tests, and no benchmark; with ``--benchmark-only``, benchmarks and no test.

No test can hang: after 300 s a signal makes it a failure, by pytest-timeout where that is installed.  The limit
does not stand in pyproject.toml, which would then be refused where it is not.
"""

import os
from pathlib import Path

_HERE = Path(__file__).parent

os.environ.setdefault("PYTEST_TIMEOUT", "300")


def pytest_ignore_collect(collection_path, config):
    """True leaves a path out; None leaves the decision to others."""
    # Without pytest-benchmark the option does not exist.
    left_out = "tests" if config.getoption("benchmark_only", False) else "bench"
    return True if collection_path.is_relative_to(_HERE / left_out) else None
