"""The line that training prints says how far it has come and how long the rest takes."""

import pytest

from cgan_raw.console.progress import Progress

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
