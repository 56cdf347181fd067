"""The lines of a run's metrics as a table in CSV, which spreadsheets and data frames read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ..runs import METRICS


def table(metrics: Sequence[dict]) -> bytes:
    """A column a name, headed by it, and a row a line of metrics.jsonl; numbers lose nothing."""
    content = io.StringIO()
    writer = csv.DictWriter(content, METRICS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(metrics)
    return content.getvalue().encode()
