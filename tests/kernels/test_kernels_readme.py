"""The kernels' README: its tables are up to date, its links lead somewhere, its example runs."""

import re

from bench.kernels_readme import FILE, FILES, patterns, renewed
from cgan_raw.kernels.registry import FOLDERS, ops

README = FILE.read_text(encoding="utf-8")


def test_tables_are_renewed():
    assert renewed(README) == README, "make tables renews kernels/README.md"


def test_a_table_that_is_out_of_date_is_renewed():
    assert renewed(README.replace("tanh_forward", "tan_forward")) == renewed(README)


def test_patterns_are_those_of_the_folders():
    assert tuple(patterns()) == FOLDERS


def test_every_backend_has_a_column():
    assert {kernel.backend for op in ops().values() for kernel in op.kernels} == set(FILES)


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    missing = [link for link in links if "://" not in link and not (FILE.parent / link).exists()]
    assert missing == []


def test_example_prints_what_it_says(capsys):
    """The Python in the README, and the text under it."""
    code, output = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```", README, re.DOTALL).groups()
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == output
