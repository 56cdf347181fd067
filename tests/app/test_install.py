"""The package works in every state it can be installed in, and both distributions hold what they should."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from commands import PATIENCE, ROOT

from cgan_raw import __version__


def missing() -> str | None:
    """Why nothing can be built here, if so."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return "needs a git checkout, to know which files belong to the project"
    try:  # by metadata: looking for the module pip switches off what setuptools has instead of distutils
        metadata.version("pip")
        version = metadata.version("setuptools")
    except metadata.PackageNotFoundError as error:
        return f"needs {error.name}"
    return None if int(version.split(".")[0]) >= 77 else f"needs setuptools 77 or later, here is {version}"


pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

#: Where the installed dependencies lie; an environment is given them by a path, so nothing is downloaded.
DEPENDENCIES = [path for path in sys.path if path.endswith("-packages")]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
SHORT_RUN = (
    "-m",
    "cgan_raw.train",
    "--device",
    "cpu",
    "--iterations",
    "1",
    "--batch-size",
    "2",
    "--quiet",
    "--out",
)


def run(*command: object, cwd: Path) -> str:
    """What a command that succeeds prints."""
    result = subprocess.run(
        [*map(str, command)], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def copy_of_the_checkout(folder: Path) -> Path:
    """The files that are tracked or would be, and nothing that was built."""
    names = run("git", "ls-files", "-coz", "--exclude-standard", cwd=ROOT).split("\0")
    for name in names:
        if name and ((ROOT / name).is_file() or (ROOT / name).is_symlink()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def environment(folder: Path) -> Path:
    """The Python of a new environment that has the dependencies, but not this package."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text("\n".join(DEPENDENCIES))
    return folder / "bin" / "python"


def install(python: Path, *arguments: object, cwd: Path) -> None:
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *offline, *arguments, cwd=cwd)


def assert_works(python: Path, cwd: Path, origin: Path) -> None:
    """Train one iteration on the embedded data, with the kernels of ``origin``."""
    where = run(python, "-c", "import cgan_raw.kernels as k; print(k.__file__)", cwd=cwd)
    assert Path(where.strip()).resolve() == (origin / "__init__.py").resolve()
    run(python, *SHORT_RUN, cwd / "run", cwd=cwd)
    assert (cwd / "run" / "checkpoint.safetensors").stat().st_size > 29_000_000
    shutil.rmtree(cwd / "run")


def paths(python: object, cwd: Path) -> list[str]:
    """Where two modules of the kernels come from, one of them in an op's folder."""
    code = "from cgan_raw.kernels import registry; from cgan_raw.kernels.dense import reference"
    code = f"{code}; print(registry.__file__); print(reference.__file__)"
    return run(python, "-c", code, cwd=cwd).splitlines()


def paths_in(kernels: Path) -> list[str]:
    return [str(kernels / "registry.py"), str(kernels / "dense" / "reference.py")]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the checkout to install from; later uses find its kernels compiled."""
    tree = copy_of_the_checkout(tmp_path_factory.mktemp("install") / "checkout")
    assert os.readlink(tree / "cgan_raw" / "kernels") == os.path.join("..", "kernels")
    return tree


@pytest.fixture(scope="module", params=["text", "missing"])
def tree_without_a_link(request, tmp_path_factory):
    """A checkout where links cannot be had: git makes a file of each, an archive may leave them out."""
    tree = copy_of_the_checkout(tmp_path_factory.mktemp("without") / "checkout")
    link = tree / "cgan_raw" / "kernels"
    link.unlink()
    if request.param == "text":
        link.write_text("../kernels")
    return tree


def test_kernels_are_modules_of_their_own_folder_with_a_link_to_it(tree):
    assert paths(sys.executable, tree) == paths_in(tree / "kernels")


def test_kernels_are_modules_of_their_own_folder_without_a_link_to_it(tree_without_a_link):
    assert paths(sys.executable, tree_without_a_link) == paths_in(tree_without_a_link / "kernels")


def test_editable_install_needs_no_link(tree_without_a_link, tmp_path):
    python = environment(tmp_path / "environment")
    install(python, "-e", tree_without_a_link, cwd=tmp_path)
    assert paths(python, tmp_path) == paths_in(tree_without_a_link / "kernels")


def test_uninstalled_checkout_works(tree, tmp_path):
    python = environment(tmp_path / "environment")
    assert_works(python, tree, tree / "kernels")


def test_editable_install_works(tree, tmp_path):
    python = environment(tmp_path / "environment")
    install(python, "-e", tree, cwd=tmp_path)
    assert_works(python, tmp_path, tree / "kernels")


def test_strict_editable_install_works(tmp_path):
    tree = copy_of_the_checkout(tmp_path / "checkout")
    python = environment(tmp_path / "environment")
    install(python, "--config-settings", "editable_mode=strict", "-e", tree, cwd=tmp_path)
    where = run(python, "-c", "import cgan_raw.kernels as k; print(k.__file__)", cwd=tmp_path).strip()
    assert Path(where).name == "__init__.py"
    assert_works(python, tmp_path, Path(where).parent)


# Distributions ----------------------------------------------------------------------------------------------


def build(kind: str, tree: Path, folder: Path) -> Path:
    """Build a wheel or an sdist from a tree."""
    code = f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"
    run(sys.executable, "-c", code, folder, cwd=tree)
    (distribution,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return distribution


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(tree, wheel, sdist); building leaves files in the tree, so it is one of its own."""
    folder = tmp_path_factory.mktemp("built")
    tree = copy_of_the_checkout(folder / "checkout")
    return tree, build("wheel", tree, folder), build("sdist", tree, folder)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_setup_names_every_package_once(tree):
    """Those that the link leads to are the kernels again."""
    code = "import runpy, setuptools; setuptools.setup = lambda packages, **_: print(*packages)"
    packages = run(sys.executable, "-c", f"{code}; runpy.run_path('setup.py')", cwd=tree).split()
    folders = {path.parent.relative_to(tree) for path in tree.glob("cgan_raw/**/__init__.py")}
    kernels = {path.parent.relative_to(tree) for path in tree.glob("kernels/**/__init__.py")}
    expected = folders | {Path("cgan_raw") / folder for folder in kernels}
    assert sorted(packages) == sorted(".".join(folder.parts) for folder in expected)


def test_installed_wheel_works(built, tmp_path):
    python = environment(tmp_path / "environment")
    install(python, built[1], cwd=tmp_path)
    (site_packages,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    assert_works(python, tmp_path, site_packages / "cgan_raw" / "kernels")
    assert run(python.with_name("cgan-raw"), "--version", cwd=tmp_path) == f"cgan_raw {__version__}\n"
    explained = run(python, "-m", "cgan_raw.explain", "counters_advance", "--sizes", "n=9", cwd=tmp_path)
    assert "registers per thread" in explained


def test_wheel_holds_the_package_the_kernels_and_nothing_else(built):
    """Every file of both folders, the data set and the CUDA C++ among them."""
    tree, wheel, _ = built
    package = {f"cgan_raw/{p.relative_to(tree / 'cgan_raw')}": p for p in (tree / "cgan_raw").rglob("*")}
    kernels = {f"cgan_raw/kernels/{p.relative_to(tree / 'kernels')}": p for p in (tree / "kernels").rglob("*")}
    expected = {name: path.read_bytes() for name, path in (package | kernels).items() if path.is_file()}
    found = {name: content for name, content in contents(wheel).items() if ".dist-info/" not in name}
    assert found.keys() == expected.keys()
    assert found == expected
    assert "cgan_raw/data/mnist/train-images-idx3-ubyte.gz" in found


def test_wheel_names_its_licences(built):
    files = contents(built[1])
    assert sum("/licenses/" in name for name in files) == 2
    (description,) = (content.decode() for name, content in files.items() if name.endswith("/METADATA"))
    assert re.search(r"^License-Expression: MIT AND CC-BY-SA-3.0$", description, re.MULTILINE)


def test_sdist_builds_the_same_wheel(built, tmp_path):
    """It has no link, and each file of the kernels once."""
    _, wheel, sdist = built
    with tarfile.open(sdist) as archive:
        members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
        archive.extractall(tmp_path, filter="data")
    assert "kernels/dense/cuda.cu" in members
    assert not any(name.startswith("cgan_raw/kernels") or member.issym() for name, member in members.items())
    (tree,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert contents(build("wheel", tree, tmp_path)) == contents(wheel)


def test_checkout_without_a_link_builds_the_same_wheel(built, tree_without_a_link, tmp_path):
    assert contents(build("wheel", tree_without_a_link, tmp_path)) == contents(built[1])
