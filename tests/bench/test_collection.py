"""What plain ``pytest`` collects, what ``--benchmark-only`` does, and that no test can hang; in a small project
of the same layout."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from bench.turns import CHECKOUT

needs_plugin, needs_timeout = (
    pytest.mark.skipif(
        importlib.util.find_spec(name.replace("-", "_")) is None, reason=f"{name} is not installed"
    )
    for name in ("pytest-benchmark", "pytest-timeout")
)


@pytest.fixture
def project(tmp_path):
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, tmp_path)
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").touch()
    return tmp_path


def run(project, *arguments, **environment):
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *arguments]
    env = os.environ | environment
    return subprocess.run(
        command, cwd=project, env=env, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def collect(project):
    """Run pytest there with some arguments; the names of the tests that it collected."""
    (project / "tests" / "deep" / "test_one.py").write_text("def test_a_test(): pass\n")
    (project / "bench" / "bench_one.py").write_text(
        "def test_a_benchmark(benchmark): benchmark.pedantic(lambda: None)\n"
    )

    def collected(*arguments):
        done = run(project, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return {name for name in ("test_a_test", "test_a_benchmark") if f"::{name} " in done.stdout}

    return collected


def test_plain_pytest_runs_the_tests_and_no_benchmark(collect):
    assert collect() == {"test_a_test"}


def test_so_it_is_without_the_plugins(collect):
    assert collect("-p", "no:benchmark", "-p", "no:timeout") == {"test_a_test"}


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


@needs_timeout
def test_each_test_has_a_limit(project):
    assert "timeout: 300.0s" in run(project, "--collect-only").stdout


@needs_timeout
def test_a_test_that_hangs_is_named_and_the_others_run(project):
    (project / "tests" / "test_two.py").write_text(
        "import time\n\ndef test_hangs(): time.sleep(60)\n\ndef test_runs(): pass\n"
    )
    done = run(project, PYTEST_TIMEOUT="0.5")
    assert "FAILED tests/test_two.py::test_hangs - Failed: Timeout" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="before version 9 pytest only says who hangs")
def test_a_test_that_hears_no_signal_is_named_and_ends(project):
    """As one does that waits in compiled code."""
    (project / "tests" / "test_two.py").write_text(
        "import signal, time\n\ndef test_deaf():\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n    time.sleep(60)\n"
    )
    done = run(project, "-o", "faulthandler_timeout=1", PYTEST_TIMEOUT="0.5")
    assert done.returncode == 1
    assert "in test_deaf" in done.stderr
