"""Whether the engine's rule for this device picks the faster way to compute: bf16 with channels_last, or fp32."""

from __future__ import annotations

from dataclasses import replace

from expunge.engine.loop import run_phases
from expunge.engine.settings import EngineSettings, decide
from expunge.methods.phases import Phases, Source, Train, classification
from expunge.types import Optimizer
from harness import compare, write
from speed import SPEC, model, pictures

STEPS = 15


def train(settings: EngineSettings) -> None:
    source = {"train": Source(GIVEN, 64)}

    def phases() -> Phases:
        yield Train("train", source, "train", classification("train"), Optimizer(lr=0.01), steps=STEPS)

    run_phases(model(), phases(), settings=settings)


GIVEN = pictures(512, 0)
assert GIVEN.spec == SPEC


def main() -> None:
    chosen = decide(EngineSettings())
    others = [("fp32", "off"), ("fp32", "on"), ("bf16", "off"), ("bf16", "on")]
    rows = []
    for precision, layout in others:
        if (precision, layout) == (chosen.precision, chosen.channels_last):
            continue
        other = replace(chosen, precision=precision, channels_last=layout)  # type: ignore[arg-type]
        made = compare(
            f"the rule ({chosen.precision}, {chosen.channels_last}) against {precision}, channels_last {layout}",
            lambda: train(chosen),
            lambda other=other: train(other),  # type: ignore[misc]
            rounds=5,
            threshold=0.9,
            note=f"{STEPS} training steps of 64 pictures, half-width ResNet-18 at 64x64",
        )
        rows.append(made.row())
    write(__file__, rows)


if __name__ == "__main__":
    main()
