"""The command that renews README's picture of the page."""

import browsing
import numpy as np
import picture
import pytest
from commands import assert_refused, call
from PIL import Image


@pytest.fixture(autouse=True)
def browser():
    pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra web)")
    if browsing.program() is None:
        pytest.skip("needs chromium")


def test_picture_is_of_a_desk_in_light_and_a_phone_in_the_dark(run_of, tmp_path):
    assert call(picture.main, run_of("dcgan"), "--out", tmp_path / "page.png").code == 0
    with Image.open(tmp_path / "page.png") as image, Image.open(picture.PICTURE) as shown:
        assert image.size == shown.size
        grey = np.asarray(image.convert("L"))
    desk, phone = (browsing.WIDTHS[size][0] for size in ("desk", "phone"))
    middle = grey[100:-100]
    assert np.median(middle[:, :desk]) > 200
    assert np.median(middle[:, -phone:]) < 60
    assert middle[:, :desk].min() < 60, "nothing is drawn"


def test_run_that_is_none_is_refused(tmp_path):
    assert_refused(call(picture.main, tmp_path, "--out", tmp_path / "page.png"), "checkpoint.safetensors")
    assert not (tmp_path / "page.png").exists()
