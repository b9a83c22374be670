"""The workbench, built once for all tests of this room."""

from __future__ import annotations

import pytest

from tests.app.workbench import Workbench, build


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    return build(tmp_path_factory.mktemp("bench"))
