"""The table of every picture: aligned across models, complete, and refused where pictures differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from expunge.audits.examples import examples
from expunge.audits.observe import observe
from expunge.errors import DataError
from expunge.types import SPLITS
from tests.helpers import net, task

TASK = task()
ONE, TWO = (observe(net(TASK.retain.spec, seed=seed).eval(), TASK) for seed in range(2))


def test_every_picture_has_a_row_and_every_model_a_column() -> None:
    table = examples(ONE, TWO, [ONE, TWO])
    assert list(table.losses) == list(table.hits) == ["before", "after", "reference-1", "reference-2"]
    assert len(table.ids) == len(table.split) == sum(len(TASK.split(name)) for name in SPLITS)
    forget = table.split == "forget"
    np.testing.assert_array_equal(table.ids[forget], TASK.forget.ids)
    np.testing.assert_array_equal(table.losses["after"][forget], TWO["forget"].losses)
    np.testing.assert_array_equal(table.hits["before"][forget], ONE["forget"].hits)


def test_without_before_there_is_no_such_column() -> None:
    assert list(examples(None, TWO, []).losses) == ["after"]


def test_other_pictures_are_refused() -> None:
    other = dict(TWO)
    other["retain"] = replace(TWO["retain"], ids=TWO["retain"].ids[::-1])
    with pytest.raises(DataError, match="retain set"):
        examples(ONE, other, [])
