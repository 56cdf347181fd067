"""What plain ``pytest`` collects and what ``--benchmark-only`` does, in a small project of the same layout."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from bench.turns import CHECKOUT

needs_plugin = pytest.mark.skipif(
    importlib.util.find_spec("pytest_benchmark") is None, reason="pytest-benchmark is not installed"
)


@pytest.fixture
def collect(tmp_path):
    """Run pytest there with some arguments; the names of the tests that it collected."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, tmp_path)
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").touch()
    (tmp_path / "tests" / "deep" / "test_one.py").write_text("def test_a_test(): pass\n")
    (tmp_path / "bench" / "bench_one.py").write_text(
        "def test_a_benchmark(benchmark): benchmark.pedantic(lambda: None)\n"
    )

    def run(*arguments):
        command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return {name for name in ("test_a_test", "test_a_benchmark") if f"::{name} " in done.stdout}

    return run


def test_plain_pytest_runs_the_tests_and_no_benchmark(collect):
    assert collect() == {"test_a_test"}


def test_so_it_is_without_the_plugin(collect):
    assert collect("-p", "no:benchmark") == {"test_a_test"}


@needs_plugin
def test_benchmark_only_runs_the_benchmarks_alone(collect):
    assert collect("--benchmark-only") == {"test_a_benchmark"}


@pytest.mark.parametrize("package", ["greenlet", "hypothesis"])
def test_tests_of_a_gpu_are_collected_where_a_package_is_missing(package):
    """As :mod:`bench.gpu_check` calls them.  A package costs the tests that need it, and no others."""
    code = (
        f"import sys, pytest; sys.modules[{package!r}] = None; sys.exit(pytest.main(["
        "'--collect-only', '-q', '-p', 'no:cacheprovider',"
        "'--confcutdir=tests/gpu', 'tests/gpu']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # those of packages that are missing here
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for file in (CHECKOUT / "tests" / "gpu").glob("test_*.py"):
        assert f"tests/gpu/{file.name}::" in done.stdout
