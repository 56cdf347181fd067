"""What ranks gain, and what the model says of it, from measured times."""

import json

import pytest
from test_report import STAMP, run

from bench import ranks

#: Two ranks take half of it and 2 ms for the sums at batch 64, but 1 ms longer than that at batch 32.
RESULTS = {
    "stamp": STAMP, "device": "cpu", "model": "cgan", "rounds": 3,
    "seconds": {
        "1": {"16": [0.006, 0.005, 0.004], "32": [0.008] * 3, "64": [0.015] * 3},
        "2": {"32": [0.008] * 3, "64": [0.01] * 3, "sums": [0.002] * 3},
    },
}  # fmt: skip


def test_the_table_has_medians_the_model_and_the_gain():
    *_, small, large = ranks.table(RESULTS).splitlines()
    assert small == "| 32 | 2 | 8.00 | 8.00 | 7.00 | 1.00 |"
    assert large == "| 64 | 2 | 15.00 | 10.00 | 10.00 | 1.50 |"


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("<!-- iteration table: begin -->\n<!-- iteration table: end -->\n")
    return path


def test_the_report_has_it(readme, tmp_path):
    (tmp_path / "ranks-cpu.json").write_text(json.dumps(RESULTS))
    assert run(readme, tmp_path) == 0
    assert "| 64 | 2 | 15.00 | 10.00 | 10.00 | 1.50 |" in readme.read_text()
