"""Figures as files: valid and self-contained SVG, the words and numbers that belong in them, the same each time."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from expunge.evidence.figures import FORMATS, FigureData, OvershootLine, figure_files, loss_spread
from expunge.evidence.report import ModelView, PicturePair
from expunge.evidence.report.featurefigure import MapKey
from expunge.evidence.report.projection import POINTS, Projection, feature_maps

HOSTILE = "<script>alert('x')</script> $x^ -- ]]> & \""
NAMES = ("original", "dlfd", "neggrad", "retrained reference")


def view(seed: int, *, push: float = 1.0) -> ModelView:
    draw = np.random.default_rng(seed)
    return ModelView(push * draw.gamma(1, 1, 60), draw.gamma(1, 1, 60), draw.normal(size=(70, 6)))


def line(name: str, seen: ModelView) -> OvershootLine:
    return OvershootLine(name, loss_spread(seen.forget_losses), loss_spread(seen.reporting_losses), 0.5)


@pytest.fixture(scope="module")
def data() -> FigureData:
    views = {name: view(seed) for seed, name in enumerate(NAMES)}
    key = MapKey(np.arange(70) % 9, np.arange(70) < 20, [f"group {k}" for k in range(9)])
    lines = [line(name, seen) for name, seen in views.items()]
    return FigureData(views, lines, key, "age_class", target=NAMES[-1])


def texts(svg: bytes) -> str:
    """All text that is drawn; fails where the file is not XML."""
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


def outside(svg: bytes) -> list[str]:
    """Whatever the file would load or run."""
    found = []
    for node in ET.fromstring(svg).iter():
        found += [node.tag] if node.tag.rpartition("}")[2] in ("script", "foreignObject", "iframe") else []
        for name, value in node.attrib.items():
            linked = name.rpartition("}")[2] in ("href", "src") and not re.match(r"#|data:image/png;base64,", value)
            found += [value] if linked or re.search(r"url\((?!#)", value) else []
    return found + re.findall(rb"<!DOCTYPE|@import", svg)


def test_every_figure_says_what_it_shows(data: FigureData) -> None:
    files = figure_files(data)
    assert set(files) == {"feature-map.svg", "losses.svg", "overshoot.svg"}
    found = {name: texts(svg) for name, svg in files.items()}
    assert all(name in text for name in NAMES for text in found.values())
    assert "age_class" in found["feature-map.svg"] and "group 8" in found["feature-map.svg"]
    assert "loss, nats" in found["losses.svg"] and "share of pictures, %" in found["losses.svg"]
    assert "loss, nats" in found["overshoot.svg"] and "median of erased pictures" in found["overshoot.svg"]
    for spread in (s for found_line in data.lines for s in (found_line.forget, found_line.unseen)):
        assert f"{spread.median:.2f}" in found["overshoot.svg"]
    for svg in files.values():
        root = ET.fromstring(svg)
        assert root.get("role") == "img" and "retrained reference" in (root.get("aria-label") or "")


def test_files_are_the_same_each_time_and_alone(data: FigureData) -> None:
    files = figure_files(data, ("svg", "png"))
    assert files == figure_files(data, ("svg", "png"))
    for name, content in files.items():
        if name.endswith(".png"):
            assert min(Image.open(io.BytesIO(content)).size) > 500
        else:
            assert outside(content) == []
    planted = files["losses.svg"].replace(b"</svg>", b'<image href="http://a.b/c"/><script/></svg>')
    assert len(outside(planted)) == 2


def test_hostile_names_stay_text(data: FigureData) -> None:
    views = {HOSTILE: next(iter(data.views.values()))}
    lines = [replace(data.lines[0], name=HOSTILE)]
    pairs = {HOSTILE: [PicturePair(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 9, np.uint8))]}
    key = replace(data.key, names=[HOSTILE] * 9)
    nasty = FigureData(views, lines, key, HOSTILE, target=HOSTILE, pairs=pairs)
    for svg in figure_files(nasty).values():
        assert outside(svg) == [] and "alert" in texts(svg)


def test_perturbed_pictures_lie_in_the_file(data: FigureData) -> None:
    draw = np.random.default_rng(0)
    grey, colour = (draw.integers(0, 200, shape).astype(np.uint8) for shape in ((8, 8, 1), (8, 8, 3)))
    pairs = {
        "dlfd": [PicturePair(colour, colour + 7), PicturePair(colour, colour + 2)],
        "dlfd:paper": [PicturePair(grey, grey + 5)],
    }
    svg = figure_files(replace(data, pairs=pairs))["perturbed.svg"]
    said = texts(svg)
    assert "dlfd:paper" in said and "up to 7 of 255" in said and "up to 5 of 255" in said
    assert svg.count(b"data:image/png;base64,") == 9  # three pictures a pair
    assert outside(svg) == []


def test_losses_that_are_no_numbers_are_counted() -> None:
    spread = loss_spread(np.array([1.0, np.nan, 3.0, np.inf]))
    assert (spread.median, spread.n, spread.left_out) == (2.0, 2, 2)
    nothing = loss_spread(np.array([np.nan]))
    assert np.isnan(nothing.median) and (nothing.n, nothing.left_out) == (0, 1)


def test_a_broken_or_exploded_model_is_still_drawn(data: FigureData) -> None:
    broken = ModelView(np.full(60, np.nan), np.full(60, np.nan), np.full((70, 6), np.nan))
    views = {"broken": broken, "exploded": view(5, push=200.0), "retrained reference": view(6)}
    drawn = FigureData(views, [line(name, seen) for name, seen in views.items()], data.key, "age_class")
    said = texts(figure_files(drawn)["overshoot.svg"])
    assert "no number" in said and "(logarithmic)" in said
    assert "Without a retrained reference nobody can say" in said


def test_maps_of_many_models_share_one_plane() -> None:
    assert FORMATS == ("svg", "png")
    features = np.random.default_rng(0).normal(size=(POINTS + 5, 4))
    maps, chosen = feature_maps([features[:90], features[:90] + 9, features[:90]], "tsne")
    assert [len(points) for points in maps] == [90, 90, 90]
    away, near = (np.linalg.norm(maps[other].mean(0) - maps[0].mean(0)) for other in (1, 2))
    assert near < away / 5, "equal features lie in one place, moved ones in another"
    _, chosen = feature_maps([features[:, :1] * 0], "report")
    assert len(chosen) == POINTS


@pytest.mark.parametrize("projection", get_args(Projection))
def test_few_pictures_are_enough_for_a_map(data: FigureData, projection: Projection) -> None:
    few = {name: replace(seen, features=np.asarray(seen.features)[:3]) for name, seen in data.views.items()}
    key = data.key.at(np.arange(3))
    assert "feature-map.svg" in figure_files(replace(data, views=few, key=key, projection=projection))
