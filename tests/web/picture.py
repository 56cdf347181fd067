"""README's picture of the page: python tests/web/picture.py RUN."""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from browsing import WIDTHS, program, served, started
from PIL import Image

from cgan_raw.export import __main__ as export

PICTURE = Path(__file__).parents[2] / "docs" / "web.png"

_GAP = 24  # pixels


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, or 2 if there is no browser or the run cannot be exported."""
    parser = argparse.ArgumentParser(description="Draw the page of a run as README shows it.")
    parser.add_argument("run", help="a run folder, or the checkpoint in it")
    parser.add_argument("--out", default=PICTURE, metavar="FILE", help="default: docs/web.png")
    parser.add_argument("--state", default="#seed=2", help="what the address asks for, default: %(default)s")
    given = parser.parse_args(arguments)
    if program() is None:
        parser.error("needs chromium")
    with tempfile.TemporaryDirectory() as folder:
        if code := export.main([given.run, "--web", folder]):
            return code
        _beside_each_other(*_screenshots(folder, given.state)).save(given.out, optimize=True)
    return 0


def _screenshots(folder: str, state: str) -> list[Image.Image]:
    """The page on a desk, light, and on a phone, dark; without the time, which would be one machine's."""
    images = []
    with started() as browser, served(folder) as address:
        for size, scheme in (("desk", "light"), ("phone", "dark")):
            width, height = WIDTHS[size]
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(address + state)
            page.wait_for_selector("#hands canvas")
            page.wait_for_timeout(1000)  # until each of them is drawn
            page.evaluate("document.querySelector('#time').textContent = ''")
            images.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
            page.close()
    return images


def _beside_each_other(*images: Image.Image) -> Image.Image:
    """Each in the middle of the height, in 256 colours."""
    width = sum(image.width + _GAP for image in images) - _GAP
    height = max(image.height for image in images)
    result, left = Image.new("RGB", (width, height), "white"), 0
    for image in images:
        result.paste(image, (left, (height - image.height) // 2))
        left += image.width + _GAP
    return result.quantize(256, dither=Image.Dither.NONE)


if __name__ == "__main__":
    sys.exit(main())
