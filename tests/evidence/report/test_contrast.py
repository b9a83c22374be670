"""Colours of the style sheet: every text can be read on every ground that it may stand on (WCAG 2, level AA)."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import product

import pytest

from expunge.evidence.report import canvas

STYLE = files("expunge.evidence.report").joinpath("templates/style.css").read_text(encoding="utf-8")
LEAST = 4.5


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` or `#rgb`, 0..1."""
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """1..21.

    Example:
        >>> contrast("#000", "#ffffff")
        21.0
    """
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colours(style: str, declaration: str) -> set[str]:
    """Every colour that a declaration is given, with names replaced by what they stand for."""
    names = dict(re.findall(r"(--\w+): (#\w+)", style))
    values = re.findall(rf"(?<![\w-]){declaration}: ([^;}}]+)", style)
    known = (re.sub(r"var\((--\w+)\)", lambda m: names[m[1]], value) for value in values)
    return {found for value in known for found in re.findall(r"#[0-9a-fA-F]{3,6}\b", value)}


def test_contrast_is_computed_as_the_standard_has_it() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#777", "#fff") < LEAST


def test_every_text_can_be_read_on_every_ground() -> None:
    texts, grounds = colours(STYLE, "color"), colours(STYLE, "background")
    assert {"#1b2430", "#55606e", "#00497a"} <= texts and {"#fff", "#f4f6f8", "#fff7e8"} <= grounds
    assert {pair: contrast(*pair) for pair in product(texts, grounds) if contrast(*pair) < LEAST} == {}


def test_a_colour_that_cannot_be_read_is_found() -> None:
    assert colours(".a { color: var(--b); } :root { --b: #999; }", "color") == {"#999"}
    assert contrast("#999", "#fff") < LEAST


@pytest.mark.parametrize("colour", [canvas.INK, canvas.MUTED])
def test_words_in_figures_can_be_read(colour: str) -> None:
    assert contrast(colour, "#fff") >= LEAST
