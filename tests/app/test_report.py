"""The report of a finished run written again: what it hides, what it learned since, what it leaves alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expunge.app.attest import AttestSettings, attest_run
from expunge.app.desk import Silent
from expunge.app.erase import erase_files
from expunge.app.keys import KeyFolder
from expunge.app.ledger import Books
from expunge.app.people import Naming, finding_facts, people_lines
from expunge.app.report import ReportSettings, report_run
from expunge.data.requests import ErasureRequest, resolve
from expunge.errors import ExpungeError, RequestError
from expunge.evidence.keys import private_file
from tests.app.preflights import Faces
from tests.app.workbench import Workbench, listing

NOW = datetime.now(UTC)


@pytest.fixture
def run(bench: Workbench, tmp_path: Path) -> Path:
    return erase_files(bench.erase(tmp_path / "run", reference=str(bench.reference)), desk=Silent())


def people(bench: Workbench) -> list[str]:
    return bench.request.read_text().split()[1:]


def test_nobody_is_named_unless_asked_for(bench: Workbench, run: Path, tmp_path: Path) -> None:
    named = report_run(ReportSettings(run, out=tmp_path / "named.html", show_names=True, threads=1), desk=Silent())
    text = Path(named["report"]).read_text()
    assert all(name in text for name in people(bench)) and "request.csv" in text
    hidden = (run / "report.html").read_text()
    assert "person 4" in hidden and "request.csv" not in hidden
    assert not re.search(r"person-\d{4}", hidden)


def test_the_same_report_comes_out_again(run: Path) -> None:
    def shown() -> str:
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", (run / "report.html").read_text())

    before, others = shown(), listing(run)
    assert report_run(ReportSettings(run, threads=1), desk=Silent())["report"] == str(run / "report.html")
    assert shown() == before and listing(run).keys() == others.keys()


def test_ledger_and_attestation_are_told(bench: Workbench, run: Path, tmp_path: Path) -> None:
    books = Books(str(tmp_path / "ledger.db"), tmp_path / "ledger.key")
    books.migrate()
    books.new_key()
    came = (NOW - timedelta(days=3)).date().isoformat()
    due = books.add(ErasureRequest(subjects=tuple(people(bench))), received=came)["due"]
    settings = ReportSettings(run, ledger=books.address, threads=1)
    with pytest.raises(RequestError, match="ledger record"):
        report_run(settings, desk=Silent())
    books.record(run, (1,))
    folder = KeyFolder(tmp_path / "keys")
    key = private_file(folder.place, folder.new().current.name)
    signed = attest_run(AttestSettings(run, key, threads=1), desk=Silent())
    answer = report_run(settings, desk=Silent())
    assert answer["requests"] == [1] and answer["attestation"] == signed["id"]
    text = (run / "report.html").read_text()
    assert came in text and due in text and signed["id"] in text


def test_what_is_no_run_is_refused(bench: Workbench, tmp_path: Path) -> None:
    for place in (tmp_path, bench.original):
        with pytest.raises(ExpungeError, match=r"expunge erase|run directory"):
            report_run(ReportSettings(place, threads=1), desk=Silent())


def test_copies_are_counted_apart_and_numbered_like_their_owners() -> None:
    faces = Faces.clean()
    mine, theirs = int(faces.at("forget")[0]), int(faces.at("retain")[0])
    faces.copy(mine, theirs)
    owner, person = str(faces.subjects[mine]), str(faces.subjects[theirs])
    resolution = resolve(ErasureRequest(subjects=(owner,)), faces.dataset(), near_copies="ignore")
    naming = Naming(shown=False)
    lines = {line.name: (line.asked, line.copies) for line in people_lines(resolution, naming)}
    assert lines == {naming.person(owner): (6, 0), naming.person(person): (0, 1)}
    (copy,) = finding_facts(resolution, naming)["exact_moved"]
    assert copy["owner"] == naming.person(person) and copy["id"].startswith("picture ") and person not in str(copy)
