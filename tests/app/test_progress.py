"""The line that training prints says how far it has come and how long the rest takes."""

import io
import sys

import pytest
from commands import outcome, start

from cgan_raw.console.progress import Progress, bar

LINE = {
    "iteration": 20,
    "d_loss": 0.5,
    "d_accuracy": 0.75,
    "g_loss": 1.25,
    "images_per_second": 1_280.0,
    "seconds": 1.0,
}


@pytest.mark.parametrize(("total", "left"), [(20, "0m00s"), (5_020, "2m05s"), (400_020, "166m40s")])
def test_time_left_is_that_of_the_iterations_to_come(total, left, capsys):
    with Progress(done=0, total=total, batch_size=32, quiet=False) as progress:
        progress.report(LINE)
    iteration = f"{20:>{len(str(total))}}/{total}"
    shown = "d_loss 0.5000  d_accuracy 0.750  g_loss 1.2500  1,280 images/s"
    assert capsys.readouterr().out == f"iteration {iteration}  {shown}  {left} left\n"


def test_quiet_is_silent(capsys):
    with Progress(done=0, total=40, batch_size=32, quiet=True) as progress:
        progress.report(LINE)
    assert capsys.readouterr().out == ""


# Notebooks ----------------------------------------------------------------------------------------------------


class OutStream(io.StringIO):
    """As a notebook's kernel puts it in place of stdout."""

    __module__ = "ipykernel.iostream"


def test_notebook_has_a_bar_and_no_lines(monkeypatch):
    monkeypatch.setattr(sys, "stdout", shown := OutStream())
    with Progress(done=0, total=40, batch_size=32, quiet=False) as progress:
        progress.report(LINE)
        progress.advance(20)
        progress.say("saved")
    assert list(bar(range(3), "drawing")) == [0, 1, 2]
    assert "20/40 |" in shown.getvalue()
    assert "d_loss 0.5000" in shown.getvalue()
    assert "saved\n" in shown.getvalue()
    assert "iteration 20/40" not in shown.getvalue()
    assert "drawing 0/3 |" in shown.getvalue()


#: A notebook's kernel as far as tqdm looks; ipywidgets are not installed.
NO_WIDGETS = """
import sys
from types import SimpleNamespace
sys.modules["ipywidgets"] = None
sys.modules["ipykernel.zmqshell"] = SimpleNamespace()
sys.modules["IPython"] = SimpleNamespace(get_ipython=lambda: SimpleNamespace(config={"IPKernelApp": 1}))
from cgan_raw.console.progress import tqdm
print(tqdm.__mro__[-3:-1])
"""


def test_notebook_without_widgets_has_a_bar_of_text_and_no_warning(tmp_path):
    result = outcome(start("-c", NO_WIDGETS, cwd=tmp_path))
    assert (result.code, result.err) == (0, "")
    assert "tqdm.std.tqdm" in result.out
    assert "notebook" not in result.out
