"""Use case: draw whole people at random from the training pictures and write them as a request; for rehearsals."""

from __future__ import annotations

import csv
import io

from expunge.app.desk import Desk
from expunge.app.inputs import read_pictures
from expunge.app.job import DrawJob
from expunge.app.rundir import disk_errors, write_whole
from expunge.data.splits import draw_forget_people
from expunge.errors import InputError

SMALL = (8, 8)  # names are needed, not pixels; unreadable pictures are still found


def draw_request(job: DrawJob, *, desk: Desk) -> dict[str, object]:
    """Write a request CSV; answers with its path and how much it asks for.

    Raises:
        InputError: no place to write it, or no subjects to draw from.
    """
    if job.out is None or job.out.exists():
        came = f"{job.out}, which exists" if job.out else "nothing"
        raise InputError("out (--out)", expected="a new file to write", came=came)
    train = read_pictures(job.data, size=SMALL, channels=3, desk=desk).role("train")
    people = draw_forget_people(train, share=job.share, seed=job.seed)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["subject"], *([name] for name in people)])
    with disk_errors(job.out):
        job.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(job.out, text.getvalue())
    chosen = set(people)
    owned = 0 if train.subjects is None else sum(name in chosen for name in train.subjects.tolist())
    return {"out": str(job.out), "subjects": len(people), "pictures": owned}
