"""What is missing is named, with the line that installs it here."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ENVIRONMENT, ROOT, assert_refused, call

from cgan_raw.console import installing
from cgan_raw.devices import gpu
from cgan_raw.devices.gpu_extra import gpu_extra
from cgan_raw.train import __main__ as train


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that the package lies in as in a checkout; the user stands somewhere else."""
    (tmp_path / "check out").mkdir()
    (tmp_path / "check out" / "pyproject.toml").touch()
    (tmp_path / "far away").mkdir()
    monkeypatch.chdir(tmp_path / "far away")
    monkeypatch.setattr(installing, "_CHECKOUT", tmp_path / "check out")
    monkeypatch.setenv("PATH", "")
    return tmp_path / "check out"


def test_line_in_a_checkout_installs_from_it(checkout, monkeypatch):
    python = [sys.executable, "-m", "pip", "install", "-e"]
    assert shlex.split(installing.how_to_install("onnx")) == [*python, f"{checkout}[onnx]"]
    monkeypatch.chdir(checkout)
    assert installing.how_to_install("onnx").endswith(" -e '.[onnx]'")


def test_interpreter_is_named_from_where_the_user_stands(checkout, monkeypatch):
    """A bare name would be looked for on the path."""
    python = Path(sys.executable)
    for folder, said in ((python.parents[1], python.relative_to(python.parents[1])), (python.parent, python)):
        monkeypatch.chdir(folder)
        assert installing.how_to_install("onnx").startswith(f"{said} -m pip install ")


def test_line_of_an_installed_package_names_it(checkout):
    (checkout / "pyproject.toml").unlink()
    line = shlex.split(installing.how_to_install("cu12"))
    assert line == [sys.executable, "-m", "pip", "install", "cgan_raw[cu12]"]


def test_pip_is_named_alone_where_it_is_this_interpreter_s(checkout, tmp_path, monkeypatch):
    for folder, alone in (("here", True), ("elsewhere", False)):
        program = tmp_path / folder / "pip"
        program.parent.mkdir()
        program.touch(0o755)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "here" / "python"))
        monkeypatch.setenv("PATH", str(program.parent))
        assert installing.how_to_install("onnx").startswith("pip install ") == alone


@pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(), reason="the package is installed, not in a checkout"
)
def test_this_checkout_is_known():
    assert installing._CHECKOUT == ROOT


# A GPU ------------------------------------------------------------------------------------------------------

DRIVERS = {
    "a new one": ("13.0", "9.0", "cu13"),
    "a new one, an old chip beside": ("13.1", "7.5\n6.1", "cu13"),
    "a new one, an old chip": ("13.0", "7.0", "cu12"),
    "a chip of two digits": ("13.2", "12.0", "cu13"),
    "an older one": ("12.4", "9.0", "cu12"),
    "one that is too old": ("11.8", "8.0", None),
    "one that says nothing": ("", "", None),
}


def driver(folder, monkeypatch, version: str, chips: str, code: int = 0) -> None:
    """An nvidia-smi that says so."""
    program = folder / "nvidia-smi"
    says = f'[ "$1" ] && printf "{chips}\\n" || printf "| CUDA Version: {version}  |\\n"'
    program.write_text(f"#!/bin/sh\n{says}\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("case", DRIVERS)
def test_extra_is_chosen_by_the_driver(case, tmp_path, monkeypatch):
    *says, extra = DRIVERS[case]
    driver(tmp_path, monkeypatch, *says)
    assert gpu_extra() == extra


def test_no_extra_without_a_driver(tmp_path, monkeypatch):
    driver(tmp_path, monkeypatch, "13.0", "9.0", code=9)
    assert gpu_extra() is None
    monkeypatch.setenv("PATH", "")
    assert gpu_extra() is None


@pytest.mark.skipif(
    shutil.which("make") is None or not (ROOT / "Makefile").exists(), reason="needs make, and a checkout"
)
def test_make_installs_the_same_extra(tmp_path, monkeypatch):
    for version in ("13.0", "12.0"):
        driver(tmp_path, monkeypatch, version, "9.0")
        command = [
            "make",
            "--no-print-directory",
            f"PYTHON={sys.executable}",
            "--eval",
            "x: ; @echo $(GPU_EXTRA)",
            "x",
        ]
        environment = ENVIRONMENT | {"PATH": os.environ["PATH"]}
        said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == f"cu{version[:2]}"


@pytest.fixture
def no_gpu_packages(monkeypatch):
    found = importlib.util.find_spec
    missing = {"cupy", "numba_cuda"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else found(name))
    gpu.fault.cache_clear()
    yield
    gpu.fault.cache_clear()


NUMBA = ("--kernels numba: numba-cuda is not installed", "; --device cpu works, without --kernels")
PACKAGES = {
    ("--device", "gpu"): ("--device gpu: CuPy is not installed", "; --device cpu works"),
    ("--kernels", "numba"): NUMBA,
    ("--device", "gpu", "--kernels", "numba"): NUMBA,
}


@pytest.mark.parametrize("flags", PACKAGES)
@pytest.mark.parametrize("extra", ["cu12", "cu13", None])
def test_missing_package_is_named_with_the_line_that_installs_it(
    flags, extra, no_gpu_packages, checkout, tmp_path, monkeypatch
):
    monkeypatch.setattr(gpu, "gpu_extra", lambda: extra)
    result = call(train.main, *flags, "--out", tmp_path / "run")
    assert_refused(result, *PACKAGES[flags], f"[{extra or 'cu13'}]'")
    assert ("[cu12]' for an older GPU" in result.err) == (extra is None)


def test_auto_does_not_ask_the_driver_which_package_is_missing(no_gpu_packages, monkeypatch):
    """It takes the CPU."""
    monkeypatch.setattr(gpu, "gpu_extra", lambda: pytest.fail("asked"))
    assert gpu.fault() == "CuPy is not installed"
