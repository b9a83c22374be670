"""Near copies of the same name: who is asked, what is done where nobody can be, and that an answer is remembered."""

from __future__ import annotations

import pytest

from expunge.app.desk import Silent
from expunge.app.job import RequestJob
from expunge.app.resolve import ANSWER, resolve_job
from expunge.errors import RequestError
from expunge.types import SPLITS
from tests.data.test_requests import album

NEAR = {"a3": ("ann", "train", "near 1")}
ASK = RequestJob(pictures=("a2",))


class Answering(Silent):
    """Somebody sits there."""

    def __init__(self, answer: bool) -> None:
        super().__init__()
        self.answer, self.questions = answer, list[str]()

    def confirm(self, question: str, *, unasked: bool = True) -> bool:
        self.questions.append(question)
        return self.answer


@pytest.mark.parametrize(("answer", "forget"), [(True, ["a2", "a3"]), (False, ["a2"])])
def test_somebody_decides(answer: bool, forget: list[str]) -> None:
    desk = Answering(answer)
    found, inputs = resolve_job(ASK, album(NEAR), desk=desk)
    assert list(found.task.forget.ids) == forget
    assert desk.questions == ["1 pictures that stay look like erased ones of the same name (a3). Erase these too?"]
    assert inputs[ANSWER] == ("erased too" if answer else "listed for review")


def test_where_nobody_sits_nothing_more_is_erased() -> None:
    found, _ = resolve_job(ASK, album(NEAR), desk=Silent())
    assert list(found.task.forget.ids) == ["a2"]
    assert [entry["id"] for entry in found.findings.near_review] == ["a3"]


@pytest.mark.parametrize("answer", [True, False])
def test_a_resumed_run_remembers_the_answer(answer: bool) -> None:
    began = resolve_job(ASK, album(NEAR), desk=Answering(answer))[1]
    desk = Answering(not answer)
    found, inputs = resolve_job(ASK, album(NEAR), desk=desk, began=began)
    assert desk.questions == []
    assert inputs == began
    assert ("a3" in found.task.forget.ids) is answer


@pytest.mark.parametrize("how", ["move", "ignore"])
def test_who_has_said_is_not_asked(how: str) -> None:
    desk = Answering(False)
    _, inputs = resolve_job(ASK.model_copy(update={"near_copies": how}), album(NEAR), desk=desk)
    assert desk.questions == []
    assert set(inputs) == {"request"}
    assert resolve_job(ASK, album(), desk=desk)[1] == inputs, "no near copies, no question"
    assert desk.questions == []


COPIES = {
    "b3": ("bob", "train", "exact 0"),  # of a picture of ann's
    "a3": ("ann", "train", "near 1"),
    "c3": ("cid", "tuning", "exact 0"),
    "c4": ("cid", "reporting", "exact 0"),
}


@pytest.mark.parametrize(("field", "names"), [("erased_subjects", ("ann",)), ("erased_pictures", ("a1", "a2"))])
def test_who_was_erased_before_is_in_no_set_and_neither_are_copies(field: str, names: tuple[str, ...]) -> None:
    job = RequestJob(pictures=("b1",), near_copies="move").model_copy(update={field: names})
    found, inputs = resolve_job(job, album(COPIES), desk=Silent())
    there = {name for split in SPLITS for name in found.task.split(split).ids.tolist()}
    assert not there & {"a1", "a2", *COPIES}
    assert found.task.forget.ids.tolist() == ["b1"] and "b2" in there
    alone = resolve_job(RequestJob(pictures=("b1",), near_copies="move"), album(COPIES), desk=Silent())[1]
    assert inputs["request"] == alone["request"] and inputs["erased before"] and "erased before" not in alone


def test_nobody_is_asked_for_who_was_erased_before() -> None:
    with pytest.raises(RequestError, match="'ann'"):
        resolve_job(RequestJob(subjects=("ann",), erased_subjects=("ann",)), album(), desk=Silent())
