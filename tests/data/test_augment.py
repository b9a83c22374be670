"""Augmentation against a loop over pictures, its draws, its layout and its price."""

from __future__ import annotations

import time
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from expunge.data.augment import Draws, augment, draw
from expunge.types import Augmentation

FULL = Augmentation(flip=True, shift=0.25, brightness=0.4)


def batch(b: int = 9, channels: int = 3, height: int = 12, width: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (b, height, width, channels), dtype=torch.uint8, generator=generator)
    return pixels.permute(0, 3, 1, 2)


def one_by_one(x: Tensor, draws: Draws) -> Tensor:
    """The same, picture by picture, in NumPy: flip, then move over reflected borders, then brighten."""
    done = []
    for i, picture in enumerate(x.permute(0, 2, 3, 1).numpy()):
        height, width = picture.shape[:2]
        flipped = picture[:, ::-1] if draws.flip[i] else picture
        down, right = int(draws.down[i]), int(draws.right[i])
        wide = np.pad(flipped, ((abs(down),) * 2, (abs(right),) * 2, (0, 0)), mode="reflect")
        top, left = abs(down) - down, abs(right) - right
        moved = wide[top : top + height, left : left + width].astype(np.float32)
        bright = np.clip(np.round(moved * draws.brightness[i].item()), 0, 255)
        done.append(bright.astype(np.uint8))
    return torch.from_numpy(np.stack(done)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "spec",
    [FULL, Augmentation(), Augmentation(flip=False, shift=0.5), Augmentation(shift=0.0), Augmentation(False, 0, 1)],
)
def test_equals_the_loop_over_pictures(spec: Augmentation, channels: int) -> None:
    x = batch(channels=channels)
    before = x.clone()
    got = augment(x, spec, torch.Generator().manual_seed(1))
    draws = draw(len(x), 12, 8, spec, torch.Generator().manual_seed(1))
    assert torch.equal(got, one_by_one(x, draws))
    assert torch.equal(x, before), "the batch that came in was changed"


def test_the_loop_would_notice_a_wrong_draw() -> None:
    x = batch()
    draws = draw(len(x), 12, 8, FULL, torch.Generator().manual_seed(1))
    wrong = Draws(draws.flip, draws.down, -draws.right, draws.brightness)
    assert not torch.equal(augment(x, FULL, torch.Generator().manual_seed(1)), one_by_one(x, wrong))


@pytest.mark.parametrize(
    "spec", [FULL, Augmentation(flip=False, shift=0), Augmentation(flip=False, shift=0, brightness=0.5)]
)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_stays_uint8_and_channels_last(spec: Augmentation, layout: torch.memory_format) -> None:
    got = augment(batch().contiguous(memory_format=layout), spec, torch.Generator())
    assert got.dtype == torch.uint8 and got.is_contiguous(memory_format=torch.channels_last)


def test_all_randomness_comes_from_the_generator() -> None:
    x = batch(64)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one, same, other = (augment(x, FULL, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_stream_does_not_depend_on_what_is_switched_on() -> None:
    after = []
    for spec in (FULL, Augmentation(flip=False, shift=0.0)):
        generator = torch.Generator().manual_seed(3)
        augment(batch(), spec, generator)
        after.append(torch.rand(1, generator=generator))
    assert after[0] == after[1]


def test_draws_are_fair_and_within_reach() -> None:
    draws = draw(40_000, 64, 32, Augmentation(shift=0.0625, brightness=0.2), torch.Generator().manual_seed(0))
    assert draws.flip.float().mean().item() == pytest.approx(0.5, abs=0.01)
    for moves, reach in ((draws.down, 4), (draws.right, 2)):
        share = torch.bincount(moves + reach).float() / len(moves)
        assert len(share) == 2 * reach + 1 and torch.allclose(share, torch.tensor(1 / len(share)), atol=0.01)
    assert 0.8 <= draws.brightness.min() < 0.81 and 1.19 < draws.brightness.max() <= 1.2


def test_tiny_pictures_can_be_shifted_by_half() -> None:
    x = batch(5, 3, 2, 1)
    assert augment(x, Augmentation(shift=0.5), torch.Generator()).shape == x.shape


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seconds_per_batch() -> float:
    """Processor time of one thread (twice what two threads need), so that a busy machine does not count."""
    x, generator = batch(64, 3, 64, 64), torch.Generator()
    times = []
    for _ in range(30):
        start = time.thread_time()
        augment(x, Augmentation(), generator)
        times.append(time.thread_time() - start)
    return min(times)


@pytest.mark.usefixtures("one_thread")
def test_a_batch_costs_little() -> None:
    assert seconds_per_batch() < 0.002


@pytest.mark.usefixtures("one_thread")
def test_the_price_check_notices_a_slow_gather() -> None:
    move = augment.__globals__["_move"]

    def slow(x: Tensor, draws: Draws) -> Tensor:
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass
        moved: Tensor = move(x, draws)
        return moved

    with mock.patch.dict(augment.__globals__, _move=slow):
        assert seconds_per_batch() > 0.002
