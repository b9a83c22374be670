"""The recorded answers are what the independent implementations say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.peers.peers import answers

FILE = Path(__file__).parents[1] / "functional" / "attacks" / "peers.json"


def test_recorded_answers_are_the_peers_own() -> None:
    recorded = json.loads(FILE.read_text())
    given = {group: {name: np.array(v) for name, v in arrays.items()} for group, arrays in recorded["inputs"].items()}
    said = answers(given)
    assert set(said) == set(recorded["answers"])
    for name, values in said.items():
        np.testing.assert_allclose(values, recorded["answers"][name], rtol=1e-6, atol=1e-9, err_msg=name)
