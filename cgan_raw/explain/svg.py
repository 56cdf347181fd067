"""A picture as SVG, written from top to bottom: rectangles, text and a ramp of colours."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH = 960
MARGIN = 24

#: From first to last, dark to light: told apart in grey and by the colour-blind too.
_RAMP = ((91, 58, 142), (65, 90, 160), (42, 120, 142), (34, 168, 132), (122, 209, 81), (253, 231, 37))

_STYLE = """
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #24292f }
.title { font-size: 16px; font-weight: bold } .part { font-size: 14px; font-weight: bold }
.page { fill: #ffffff } .small { font-size: 10px } .cell { font-size: 7px; text-anchor: middle }
.dark { fill: #ffffff } .light { fill: #111111 }
.frame { fill: none; stroke: #8c959f } .empty { fill: #8c959f; fill-opacity: 0.18 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .page { fill: #0d1117 } }
"""


def colour(value: float) -> tuple[int, int, int]:
    """Of the ramp, at a place from 0 to 1."""
    place = min(max(value, 0.0), 1.0) * (len(_RAMP) - 1)
    low = min(int(place), len(_RAMP) - 2)
    return tuple(round(a + (b - a) * (place - low)) for a, b in zip(_RAMP[low], _RAMP[low + 1], strict=True))


class Canvas:
    """What is drawn, and ``y``, the first free row below it."""

    def __init__(self):
        self.y = float(MARGIN)
        self._parts: list[str] = []

    def text(self, x: float, text: str, kind: str = "") -> None:
        """A line of text at the next rows."""
        self.y += 20 if kind in ("title", "part") else 15
        self.label(x, self.y - 4, text, kind)

    def label(self, x: float, y: float, text: str, kind: str = "") -> None:
        """Text on a baseline that is given."""
        self._parts.append(f'<text x="{_short(x)}" y="{_short(y)}"{_class(kind)}>{escape(text)}</text>')

    def box(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """A rectangle in the style of a kind."""
        self._parts.append(f"<rect{_at(x, y, width, height)}{_class(kind)}/>")

    def cell(
        self, x: float, y: float, width: float, height: float, value: float, text: str = "", hint: str = ""
    ) -> None:
        """A rectangle in a colour of the ramp, with a text in it that a colour of its own makes readable."""
        rgb = colour(value)
        title = f"<title>{escape(hint)}</title>" if hint else ""
        fill = "#{:02x}{:02x}{:02x}".format(*rgb)
        shape = f'<rect{_at(x, y, width, height)} fill="{fill}"'
        self._parts.append(f"{shape}>{title}</rect>" if title else f"{shape}/>")
        if text:
            bright = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 128
            kind = "cell light" if bright else "cell dark"
            self.label(x + width / 2, y + height / 2 + 3, text, kind)

    def legend(self, first: str, last: str) -> None:
        """What the ends of the ramp mean."""
        steps, width = 32, 6
        start = MARGIN + 7 * len(first) + 8
        for i in range(steps):
            self.cell(start + i * width, self.y + 2, width, 10, i / (steps - 1))
        self.label(MARGIN, self.y + 11, first)
        self.label(start + steps * width + 8, self.y + 11, last)
        self.y += 22

    def gap(self, rows: float) -> None:
        self.y += rows

    def document(self, title: str) -> str:
        height = self.y + MARGIN
        size = f'width="{WIDTH}" height="{_short(height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {_short(height)}" {size}>'
        page = f'<rect class="page" {size}/>'
        title = f"<title>{escape(title)}</title>"
        return "\n".join((head, title, f"<style>{_STYLE}</style>", page, *self._parts, "</svg>\n"))


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _at(*place: float) -> str:
    names = ("x", "y", "width", "height")
    return "".join(f' {name}="{_short(number)}"' for name, number in zip(names, place, strict=True))


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def ramp(values: Sequence[int]) -> dict[int, float]:
    """The place of each whole number between the least and the largest."""
    low, high = min(values, default=0), max(values, default=0)
    return {value: (value - low) / max(high - low, 1) for value in set(values)}
