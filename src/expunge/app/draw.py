"""Use case: draw whole people at random from the training pictures and write them as a request; for rehearsals."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence

from expunge.app.desk import Desk
from expunge.app.inputs import read_pictures
from expunge.app.job import DrawJob
from expunge.app.rundir import disk_errors, write_whole
from expunge.data.splits import draw_forget_people
from expunge.errors import InputError

# a spreadsheet takes a field that begins so for a formula and runs it; a whole number does no harm
FORMULA = re.compile(r"[=+\-@\t\r](?!\d+$)")
SMALL = (8, 8)  # names are needed, not pixels; unreadable pictures are still found


def draw_request(job: DrawJob, *, desk: Desk) -> dict[str, object]:
    """Write a request (JSON where `out` ends so, else CSV); answers with its path and how much it asks for.

    Raises:
        InputError: no place to write it, or no subjects to draw from.
    """
    if job.out is None or job.out.exists():
        came = f"{job.out}, which exists" if job.out else "nothing"
        raise InputError("out (--out)", expected="a new file to write", came=came)
    train = read_pictures(job.data, size=SMALL, channels=3, desk=desk).role("train")
    people = draw_forget_people(train, share=job.share, seed=job.seed)
    text = json.dumps({"subjects": list(people)}, indent=1) if job.out.suffix.lower() == ".json" else _table(people)
    with disk_errors(job.out):
        job.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(job.out, text)
    chosen = set(people)
    owned = 0 if train.subjects is None else sum(name in chosen for name in train.subjects.tolist())
    return {"out": str(job.out), "subjects": len(people), "pictures": owned}


def _table(people: Sequence[str]) -> str:
    """A CSV of names, without any that a spreadsheet would run."""
    for name in people:
        if FORMULA.match(name):
            remedy = "write JSON instead (--out request.json)"
            expected = "names that no spreadsheet takes for a formula"
            raise InputError("subject (--subject)", expected=expected, came=repr(name)[:80], remedy=remedy)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["subject"], *([name] for name in people)])
    return text.getvalue()
