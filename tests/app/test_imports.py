"""Imports run one way, ``--help`` is quick because it needs none of them, and no framework is among them."""

import ast
import json
from functools import cache
from pathlib import Path

import pytest
from commands import ROOT, outcome, start

import cgan_raw
from cgan_raw.__main__ import COMMANDS
from cgan_raw.compare import __main__ as compare
from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.explain import __main__ as explain
from cgan_raw.export import __main__ as export
from cgan_raw.kernels import registry
from cgan_raw.sample import __main__ as sample
from cgan_raw.train import __main__ as train

PACKAGE, KERNELS = Path(cgan_raw.__file__).parent, Path(registry.__file__).parent
FRAMEWORKS = {"torch", "jax", "jaxlib", "tensorflow", "keras", "flax", "mxnet", "paddle", "theano", "chainer"}

#: The spine of the program; each may import those to its right, never one to its left.
SPINE = ("train.__main__", "train.trainer", "iteration", "models", "layers", "devices.choice")


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its full name."""
    found = {}
    for prefix, folder in (("cgan_raw", PACKAGE), ("cgan_raw.kernels", KERNELS)):
        for path in folder.rglob("*.py"):
            if folder == PACKAGE and path.is_relative_to(KERNELS):
                continue  # installed, the kernels lie inside the package
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((prefix, *(p for p in parts if p != "__init__")))] = path
    return found


def resolve(node: ast.ImportFrom, name: str, path: Path) -> str:
    """The full name of the module that a ``from ... import`` names."""
    if node.level == 0:
        return node.module
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


@cache
def imports(name: str) -> frozenset[str]:
    """Full names of all that a module imports, inside functions too; ``from x import y`` gives x and x.y."""
    path, found = modules()[name], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = resolve(node, name, path)
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@cache
def own_imports(name: str) -> frozenset[str]:
    """The modules of the package among them; the package itself, which has a version alone, aside."""
    return (imports(name) & modules().keys()) - {"cgan_raw", name}


def is_kernel(name: str) -> bool:
    return name == "cgan_raw.kernels" or name.startswith("cgan_raw.kernels.")


def test_modules_are_found():
    assert {f"cgan_raw.{name}" for name in SPINE} <= modules().keys()
    assert "cgan_raw.kernels.dense.cpu" in modules()
    assert "cgan_raw.kernels.registry" in own_imports("cgan_raw.kernels.dense")
    assert "cgan_raw.train.trainer" in own_imports("cgan_raw.train.__main__"), "an import inside a function"


def test_kernels_know_nothing_above_them():
    above = {name: {i for i in own_imports(name) if not is_kernel(i)} for name in modules() if is_kernel(name)}
    assert {name: found for name, found in above.items() if found} == {}


def test_only_backends_and_those_who_call_or_explain_kernels_know_them():
    knowing = {name for name in modules() if not is_kernel(name) and any(map(is_kernel, own_imports(name)))}
    knowing = {name for name in knowing if not name.startswith("cgan_raw.explain.")}
    allowed = {
        "arguments",
        "calls",
        "devices.backend",
        "devices.choice",
        "devices.gpu",
        "export.web_page",  # by their contracts it tells the page which ops to call
        "testing",
        "tolerances",
    }
    assert knowing <= {f"cgan_raw.{name}" for name in allowed}


def test_nothing_of_the_program_needs_the_tests_tools():
    assert [name for name in modules() if "cgan_raw.testing" in own_imports(name)] == []


def test_spine_is_imported_downwards_alone():
    for i, name in enumerate(SPINE):
        upper = {f"cgan_raw.{other}" for other in SPINE[:i]}
        assert not reachable(f"cgan_raw.{name}") & upper, name


def reachable(name: str) -> set[str]:
    """All that an import of a module brings, without the kernels."""
    found, ahead = set(), [name]
    while ahead:
        new = {i for i in own_imports(ahead.pop()) if not is_kernel(i)} - found
        found |= new
        ahead += new
    return found


def test_no_module_imports_itself_by_a_detour():
    """An op's package alone may: ``registry.ops`` imports it by name, and it imports the registry."""
    assert [name for name in modules() if not is_kernel(name) and name in reachable(name)] == []


@pytest.mark.parametrize("name", modules())
def test_no_framework_is_imported(name):
    assert {origin.split(".")[0] for origin in imports(name)} & FRAMEWORKS == set()


def test_no_framework_is_imported_by_name():
    """Nor through importlib or a string."""
    for path in modules().values():
        strings = {n.value for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if is_string(n)}
        assert strings & FRAMEWORKS == set(), path


def is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# The command lines ------------------------------------------------------------------------------------------

#: Run a command's --help, then say which of some modules that has imported.
HELP = """
import contextlib, json, runpy, sys
command, sys.argv[1:] = sys.argv[1], ["--help"]
with contextlib.suppress(SystemExit):
    runpy.run_module(command, run_name="__main__", alter_sys=True)
slow = {"numba", "llvmlite", "matplotlib", "numpy", "PIL", "tqdm", "safetensors", "onnx", "cgan_raw.kernels"}
print(json.dumps(sorted(slow & sys.modules.keys())))
"""


@pytest.mark.parametrize("command", ["cgan_raw", *(f"cgan_raw.{name}" for name in COMMANDS)])
def test_help_imports_nothing_slow(command, tmp_path):
    result = outcome(start("-c", HELP, command, cwd=tmp_path))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"usage: python -m {command} ")
    assert json.loads(result.out.splitlines()[-1]) == []


@pytest.mark.parametrize("command", [train, sample, evaluate, compare, export, explain])
def test_every_flag_with_a_value_says_its_default(command):
    """But for those that are off unless given."""
    off = {"--resume", "--distributed", "--morph", "--gif", "--npz", "--csv", "--web", "--svg", "--json"}
    flags = [action for action in command.parser()._actions if action.option_strings and action.nargs != 0]
    assert flags
    for action in flags:
        said = "(default: " in action.help
        assert said == (action.option_strings[-1] not in off), action.option_strings


def test_python_m_runs_the_command(tmp_path):
    result = outcome(start("-m", "cgan_raw.train", "--help", cwd=tmp_path))
    assert (result.code, result.err) == (0, "")
    assert "--learning-rate X" in result.out


@pytest.mark.skipif(not (ROOT / "kernels").is_dir(), reason="the package is installed, not in a checkout")
def test_kernels_have_one_name():
    """Else one module would be loaded under two names."""
    result = outcome(start("-c", "import kernels", cwd=ROOT))
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("ImportError: this package is imported as cgan_raw.kernels")
