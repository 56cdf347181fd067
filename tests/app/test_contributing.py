"""What CONTRIBUTING says of the house is so: its tree is the checkout's, its commands are there."""

import re

import pytest
from commands import ROOT

FILE = ROOT / "CONTRIBUTING.md"
if not FILE.is_file():
    pytest.skip("the package is installed, not in a checkout", allow_module_level=True)

TEXT = FILE.read_text(encoding="utf-8")


def tree():
    """What the tree names, as paths from the checkout's root."""
    drawn = TEXT.partition("## Where things are")[2].partition("## ")[0]
    paths, room = [], ""
    for indent, names in re.findall(r"^    ( *)(\S+(?: \S+)*)  +\S", drawn, re.MULTILINE):
        if not indent:
            room, names = names, ""
        paths += [f"{room}{name}" for name in names.partition(" -> ")[0].split() or [""]]
    return paths


def rooms(folder):
    """The packages in a folder, by their paths in the tree."""
    return {f"{folder}/{path.parent.name}/" for path in (ROOT / folder).glob("*/__init__.py")}


def test_all_that_the_tree_names_is_there():
    assert len(tree()) > 40
    missing = [path for path in tree() if not (ROOT / path).exists()]
    assert missing in ([], ["cgan_raw/kernels"])  # a checkout may have no links


@pytest.mark.parametrize("folder", ["cgan_raw", "kernels"])
def test_every_room_is_in_the_tree(folder):
    linked = {"cgan_raw/kernels/"}
    missing = rooms(folder) - set(tree()) - linked
    assert missing == set(), "the tree in CONTRIBUTING.md has a line for each folder"


def test_its_commands_are_there():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make\s([a-z0-9-]+)|^ {4,}make ([a-z0-9-]+)", TEXT, re.MULTILINE))
    assert {name for pair in named for name in pair if name} <= targets
    modules = re.findall(r"python\s-m\s((?:bench|cgan_raw)\.[\w.]+)|python (\w\S+\.py)", TEXT)
    files = [other or f"{module.replace('.', '/')}" for module, other in modules]
    assert files
    for file in files:
        assert any((ROOT / f"{file}{end}").exists() for end in ("", ".py", "/__main__.py")), file
