"""Batches are a pure function of (seed, phase, step), and every picture is seen once a pass."""

from __future__ import annotations

import torch

from expunge.engine.streams import Stream
from expunge.methods.phases import Source
from expunge.types import Augmentation
from tests.helpers import pictures


def test_every_picture_once_per_pass_even_where_batches_straddle() -> None:
    stream = Stream(Source(pictures(10), 4), 0, "phase", "retain")
    seen = torch.cat([stream.index(step) for step in range(5)])
    assert sorted(seen[:10].tolist()) == list(range(10)) == sorted(seen[10:].tolist())
    assert seen[:10].tolist() != seen[10:].tolist()


def test_any_batch_can_be_revisited() -> None:
    given = pictures(10)
    forward = Stream(Source(given, 4, Augmentation()), 0, "phase", "retain")
    first = [forward.read(step, torch.device("cpu"), torch.channels_last).x for step in range(6)]
    again = Stream(Source(given, 4, Augmentation()), 0, "phase", "retain")
    for step in (5, 0, 3):
        assert torch.equal(again.read(step, torch.device("cpu"), torch.channels_last).x, first[step])


def test_orders_differ_by_seed_phase_and_name() -> None:
    source = Source(pictures(50), 50)
    orders = {tuple(Stream(source, *key).index(0).tolist()) for key in ((0, "a"), (1, "a"), (0, "b"))}
    assert len(orders) == 3


def test_unshuffled_is_the_order_of_the_data() -> None:
    assert Stream(Source(pictures(6), 4, shuffle=False), 0).index(1).tolist() == [4, 5, 0, 1]


def test_pictures_arrive_as_floats_in_unit_range() -> None:
    batch = Stream(Source(pictures(6), 4), 0).read(0, torch.device("cpu"), torch.channels_last)
    assert batch.x.dtype == torch.float32 and 0 <= batch.x.min() <= batch.x.max() <= 1
    assert batch.x.is_contiguous(memory_format=torch.channels_last)
