"""What tests of the command line share: the workbench, built once for all of them, and a fresh ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.workbench import Workbench, build
from tests.cli.ledgerdesk import Desk


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    return build(tmp_path_factory.mktemp("bench"))


@pytest.fixture
def empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture
def desk(empty: Desk) -> Desk:
    empty("migrate")
    empty("key", "new")
    return empty


@pytest.fixture
def people(bench: Workbench) -> list[str]:
    return bench.request.read_text().split()[1:]
