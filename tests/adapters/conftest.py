"""Adapter tests run only through run.sh, beside torchvision and timm in a folder of their own.

torchvision's compiled part needs CUDA libraries that a CPU build of torch does not bring; declaring the operators it
would register lets its Python part import. That is for tests only, never for the product.
"""

from __future__ import annotations

import os

import pytest
import torch

OPERATORS = ("nms", "qnms")
_kept: list[torch.library.Library] = []  # a library that is collected takes its operators with it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("EXPUNGE_ADAPTERS") == "1":
        return
    for item in items:
        if "/adapters/" in str(item.path):
            item.add_marker(pytest.mark.skip(reason="timm and torchvision are tested by tests/adapters/run.sh"))


if os.environ.get("EXPUNGE_ADAPTERS") == "1" and not torch.cuda.is_available():
    library = torch.library.Library("torchvision", "DEF")
    for operator in OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)
