"""The drawings behind `synthetic`: invented people as numbers, and their faces as anti-aliased ellipses and strokes.

Counts and a seed go in, parameters and pixels come out. Nothing is labelled, split or stored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Indices = np.ndarray[Any, np.dtype[np.int64]]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]

AGES = 4
EXPRESSIONS = 4  # glad, neutral, sad, surprised
CHUNK_PIXELS = 1 << 17  # temporary arrays of a chunk fit the processor's cache
SIGN_NOISE = 0.16  # how far the signs of age of one person stray from their age (0..1)
YEAR_NOISE = 0.07  # pictures of one person were taken at different ages
SKIN = np.array([[92, 62, 45], [141, 98, 70], [198, 150, 116], [228, 190, 160], [244, 214, 190]], np.float32)
HAIR = np.array([[25, 20, 18], [70, 45, 28], [120, 80, 45], [196, 160, 96], [150, 60, 30]], np.float32)
IRIS = np.array([[60, 38, 22], [96, 70, 40], [70, 110, 70], [80, 120, 165]], np.float32)
GREY = np.array([205, 205, 210], np.float32)
# mouth curve (down is +), mouth opening, height of the brows, opening of the eyes
MIMICS = np.array(
    [[-0.1, 0.25, 0.0, 0.85], [0.0, 0.0, 0.0, 1.0], [0.1, 0.0, -0.03, 0.9], [0.0, 1.0, 0.06, 1.25]], np.float32
)


@dataclass(frozen=True)
class Sitters:
    """Who is on each of n pictures, and how.

    Args:
        person, age_group, expression: int64 [n].
        looks: float32 [n] or [n, 3] (colours 0..255) by name; lengths in units of half the picture's side.
    """

    person: Indices
    age_group: Indices
    expression: Indices
    looks: Mapping[str, Floats]


def draw_sitters(subjects: int, pictures_per_subject: int, *, seed: int) -> Sitters:
    """Invent people, then their sittings: age at the time, expression, pose, light and background."""
    rng = np.random.default_rng([seed, 0])
    person = np.repeat(np.arange(subjects), pictures_per_subject)
    n = len(person)
    of_people = _people(subjects, rng)
    looks = {name: values[person] for name, values in of_people.items()}
    age = np.clip(looks["age"] + YEAR_NOISE * _normal(rng, n), 0, 0.999)
    for sign in ("lines", "grey", "child", "nose"):
        looks[sign] = age + looks[sign]
    expression = rng.integers(0, EXPRESSIONS, n)
    mimics = MIMICS[expression] + np.array([0.03, 0.1, 0.01, 0.05], np.float32) * _normal(rng, (n, 4))
    looks |= dict(zip(("curve", "open", "brows", "lids"), mimics.T, strict=True))
    looks |= {"dx": 0.05 * _normal(rng, n), "dy": 0.05 * _normal(rng, n), "turn": 0.08 * _normal(rng, n)}
    looks |= {
        "zoom": _between(rng, 0.92, 1.08, n),
        "light": _between(rng, 0.8, 1.15, n),
        "side": 0.12 * _normal(rng, n),
    }
    looks["back"] = _between(rng, 40, 220, (n, 3))
    return Sitters(person, (age * AGES).astype(np.int64), expression, looks)


def draw_pixels(sitters: Sitters, *, size: int, seed: int) -> Iterator[Pixels]:
    """Their pictures in order, in chunks of uint8 [b, size, size, 3]."""
    step = max(1, CHUNK_PIXELS // (size * size))
    for start in range(0, len(sitters.person), step):
        looks = {name: values[start : start + step] for name, values in sitters.looks.items()}
        yield _draw(looks, size, np.random.default_rng([seed, 1, start]))


def _people(n: int, rng: np.random.Generator) -> dict[str, Floats]:
    shapes = {
        "wide": (0.5, 0.64),
        "tall": (0.68, 0.84),
        "gap": (0.2, 0.3),
        "eye": (0.085, 0.12),
        "hairline": (0.3, 0.55),
    }
    shapes |= {"mouth": (0.16, 0.28), "bushy": (0.02, 0.05), "length": (0.0, 0.5), "age": (0.0, 1.0)}
    people = {name: _between(rng, low, high, n) for name, (low, high) in shapes.items()}
    people |= {sign: SIGN_NOISE * _normal(rng, n) for sign in ("lines", "grey", "child", "nose")}
    for name, palette in (("skin", SKIN), ("hair", HAIR), ("iris", IRIS)):
        people[name] = palette[rng.integers(0, len(palette), n)] + 10 * _normal(rng, (n, 3))
    return people


def _draw(looks: Mapping[str, Floats], size: int, rng: np.random.Generator) -> Pixels:
    """uint8 [b, size, size, 3] of the faces with these looks: far things first."""
    p = {name: values[:, None, None] if values.ndim == 1 else values for name, values in looks.items()}
    sheet = _Sheet.blank(p, size)
    hair = p["hair"] + np.clip(2.2 * (looks["grey"] - 0.5), 0, 1)[:, None] * (GREY - p["hair"])
    tall = p["tall"] * (0.88 + 0.14 * p["child"])
    sheet.paint(hair, sheet.ellipse(0, -0.08 + p["length"] * 0.4, p["wide"] + 0.1, tall + 0.04 + p["length"] * 0.3))
    sheet.paint(p["skin"] * 0.85, sheet.ellipse(0, 0.95, 0.3, 0.4))
    sheet.paint(p["skin"], sheet.ellipse(0, 0.05, p["wide"], tall))
    sheet.paint(hair, sheet.ellipse(0, -0.1 - tall, p["wide"] * 1.05, p["hairline"]))
    _features(sheet.window(-0.62, 0.62, -0.62, 0.8), p, hair)
    shade = p["light"] * (1 + p["side"] * sheet.x)
    canvas = sheet.canvas
    canvas *= shade[:, None]
    canvas += rng.integers(-4, 5, (len(shade), 1, size, size), dtype=np.int8)
    return np.ascontiguousarray(np.clip(canvas, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))


def _features(sheet: _Sheet, p: Mapping[str, Floats], hair: Floats) -> None:
    middle = 0.16 * (1 - p["child"])  # features sit lower in children's faces
    eye = p["eye"] * (1.4 - 0.6 * p["child"])
    dark = p["skin"] * 0.62
    lines = np.clip(1.7 * (p["lines"] - 0.35), 0, 1)
    waves = np.cos((sheet.y + 0.32) * (2 * np.pi / 0.15)) - 0.3
    sheet.paint(dark, lines * np.clip(waves, 0, 0.6) * sheet.ellipse(0, -0.32, 0.36, 0.16))
    for side in (-1, 1):
        x, y = side * p["gap"], -0.08 + middle
        sheet.paint(dark, 0.8 * lines * sheet.ellipse(x, y + eye, eye * 1.1, eye * 0.45))
        sheet.paint(np.full_like(p["skin"], 240), sheet.ellipse(x, y, eye * 1.3, eye * p["lids"]))
        sheet.paint(p["iris"], sheet.ellipse(x, y, eye * 0.6, eye * 0.6))
        sheet.paint(hair * 0.8, sheet.ellipse(x, y - eye * 1.7 - p["brows"], eye * 1.5, p["bushy"]))
    nose = 0.1 + 0.12 * p["nose"]
    sheet.paint(p["skin"] * 0.8, 0.8 * sheet.ellipse(0, 0.06 + middle + nose * 0.5, 0.05, nose))
    sheet.paint(np.array([[165, 60, 62]], np.float32) * (0.6 + 0.4 * p["skin"] / 255), _mouth(sheet, p, middle))


def _mouth(sheet: _Sheet, p: Mapping[str, Floats], middle: Floats) -> Floats:
    across = sheet.x / p["mouth"]
    bow = p["curve"] * (across * across - 0.5)
    half = 0.025 + 0.09 * np.clip(p["open"], 0, 1.3) * np.clip(1 - across * across, 0, 1)
    height = np.clip((half - np.abs(sheet.y - 0.42 - middle * 0.6 - bow)) / sheet.pixel + 0.5, 0, 1)
    inside: Floats = height * np.clip((p["mouth"] - np.abs(sheet.x)) / sheet.pixel + 0.5, 0, 1)
    return inside


@dataclass(frozen=True)
class _Sheet:
    """Paper for b drawings: canvas float32 [b, 3, H, W]; x, y [b, H, W] are where each pixel lies on the face."""

    canvas: Floats
    x: Floats
    y: Floats
    pixel: float

    @classmethod
    def blank(cls, p: Mapping[str, Floats], size: int) -> _Sheet:
        axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
        u, v = axis[None, None, :] - p["dx"], axis[None, :, None] - p["dy"]
        cos, sin = np.cos(p["turn"]) / p["zoom"], np.sin(p["turn"]) / p["zoom"]
        canvas = np.broadcast_to(p["back"][:, :, None, None], (len(u), 3, size, size)).astype(np.float32)
        return cls(canvas, cos * u + sin * v, cos * v - sin * u, 2 / size)

    def window(self, left: float, right: float, top: float, bottom: float) -> _Sheet:
        """The part of the same paper on which small things are drawn."""
        size = self.canvas.shape[-1]
        rows, columns = (
            slice(int((a + 1) / 2 * size), int((b + 1) / 2 * size) + 1) for a, b in ((top, bottom), (left, right))
        )
        return _Sheet(self.canvas[:, :, rows, columns], self.x[:, rows, columns], self.y[:, rows, columns], self.pixel)

    def ellipse(self, x: Floats | float, y: Floats | float, wide: Floats | float, tall: Floats | float) -> Floats:
        """How much of each pixel lies inside, 0..1 [b, H, W]."""
        across, down = (self.x - x) / wide, (self.y - y) / tall
        inside: Floats = (1 - np.sqrt(across * across + down * down)) * (
            np.minimum(wide, tall) / self.pixel
        ) + np.float32(0.5)
        return np.clip(inside, 0, 1, out=inside)

    def paint(self, colour: Floats, cover: Floats) -> None:
        """Lay `colour` [b or 1, 3] over the canvas as far as `cover` [b, H, W] says."""
        for channel in range(3):
            layer = self.canvas[:, channel]
            layer += cover * (colour[:, channel, None, None] - layer)


def _normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape, dtype=np.float32)


def _between(rng: np.random.Generator, low: float, high: float, shape: int | tuple[int, ...]) -> Floats:
    return np.float32(low) + np.float32(high - low) * rng.random(shape, dtype=np.float32)
