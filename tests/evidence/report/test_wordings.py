"""Every registered audit, and every set of pictures that audits name, has words; a missing one is found."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from torch import nn

from expunge.app.deeper import BETWEEN_FEATURES, Audited, attacked, probed
from expunge.audits.observe import observe
from expunge.audits.registry import AUDITS
from expunge.audits.run import AuditReport, audit
from expunge.audits.shadowattacks import ShadowStudy
from expunge.audits.shadows import Shadows
from expunge.audits.spread import BETWEEN
from expunge.engine.settings import EngineSettings
from expunge.evidence.report import wordings
from expunge.evidence.report.questions import GROUPS, group_of
from expunge.evidence.report.wordings import SPLIT_WORDS, STAGES, WORDINGS, split_words, wording
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.stages import DEPTHS, PENULTIMATE
from expunge.types import AuditRow
from tests.helpers import task

TASK = task(retain=40, forget=24)


def deep(seed: int) -> PixelClassifier:
    """A network of enough layers to be looked at early, late and just before its answer."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    drawn = np.random.default_rng(seed)
    model = PixelClassifier(nn.Sequential(body, nn.ReLU(), nn.Linear(8, 3)), Preprocessing((8, 8)), TASK.retain.spec)
    for weight in model.parameters():
        weight.data.copy_(weight.data.new_tensor(drawn.normal(0, 0.2, weight.shape)))
    return model.eval()


def shadows(count: int, seed: int) -> Shadows:
    """Of random answers: only what is measured matters here, not what comes out."""
    ids = np.concatenate([TASK.split(name).ids for name in ("forget", "reporting", "tuning")])
    drawn = np.random.default_rng(seed)
    first = drawn.random((count // 2, len(ids))) < 0.5
    inside = np.concatenate([first, ~first])
    inside[:, -len(TASK.tuning.ids) :] = False
    return Shadows(ids, drawn.normal(size=(count, len(ids), 1)).astype(np.float32), inside, np.ones(count))


@cache
def measured() -> AuditReport:
    """All that can be measured of a model: with two references, all kinds of shadows, and probes."""
    models = [deep(seed) for seed in range(4)]
    before, after, *beside = (observe(model, TASK, features=True) for model in models)
    report = audit(before, after, beside, untrained=observe(deep(9), TASK), draws=5)
    audited = Audited(models[0], models[1], (models[2], models[3]), before, after, tuple(beside), report)
    audited = attacked(audited, ShadowStudy(shadows(8, 0), shadows(4, 1), shadows(8, 2)), seed=0)
    return probed(audited, TASK, EngineSettings(device="cpu", precision="fp32", channels_last="off")).report


def emitted() -> tuple[AuditRow, ...]:
    """All rows, also of people, of groups and between references."""
    report = measured()
    people = [line.after for part in (report.people, report.people_by_lira) if part is not None for line in part.rows]
    groups = [line.after for line in (*report.groups, *report.groups_by_lira)]
    beside = [row for rows in report.rows_reference for row in rows]
    return (*report.rows_before, *report.rows_after, *beside, *report.rows_floor, *people, *groups)


def without_words() -> set[str]:
    return {name for name in AUDITS if name not in WORDINGS}


def splits_without_words() -> set[str]:
    return {row.split for row in emitted() if split_words(row.split) == row.split}


def test_every_registered_audit_is_put_into_words() -> None:
    assert without_words() == set()
    assert all(words.title and words.says.endswith(".") for words in WORDINGS.values())
    titles = [WORDINGS[name].title for name in AUDITS]
    assert len(set(titles)) == len(titles)


def test_nothing_is_put_into_words_that_is_not_measured() -> None:
    assert set(WORDINGS) - set(AUDITS) == {"loss_gap"}  # of the distances between references in a report


def test_everything_that_is_registered_is_emitted_here_and_every_split_has_words() -> None:
    assert {row.name for row in emitted()} == set(AUDITS)
    assert splits_without_words() == set()


@pytest.mark.parametrize("name", ["lira_auroc", "klom", "relearn_speed"])
def test_an_audit_without_words_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tests.evidence.report.test_wordings.WORDINGS", {k: v for k, v in WORDINGS.items() if k != name}
    )
    assert without_words() == {name}


@pytest.mark.parametrize("split", ["forget, held out, relearned on retain", "forget-vs-retain"])
def test_a_split_without_words_is_found(split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordings, "SPLIT_WORDS", {k: v for k, v in SPLIT_WORDS.items() if k != split})
    assert splits_without_words() == {split}


def test_every_stage_has_words_and_another_is_called_by_its_name() -> None:
    assert set(STAGES) == {*DEPTHS, PENULTIMATE}
    assert {row.split for row in emitted() if row.split.endswith(" features")} == {
        f"{side}, {stage} features" for side in ("forget", "forget-vs-reporting") for stage in STAGES
    }
    assert split_words("forget-vs-reporting, middle features") == "erased against never seen, read at stage middle"
    assert split_words("reference-2-vs-reference-3") == "retrained model 2 against retrained model 3"
    assert split_words("nobody knows, features") == "nobody knows, features"


def test_words_have_no_name_of_a_measure_in_them() -> None:
    for name in AUDITS:
        words = wording(name, {})
        assert "_" not in words.title + words.says and name.replace("_", " ") != words.title


def test_every_measure_answers_a_question_and_every_question_is_answered() -> None:
    assert {group_of((row.name, row.split)) for row in measured().rows_after} == {name for name, _ in GROUPS}


def test_the_spread_of_references_covers_shadow_attacks_and_probes() -> None:
    report = measured()
    spread = {(one.name, one.split) for one in report.spread}
    known = {(row.name, row.split) for row in report.rows_reference[0] if row.value is not None}
    assert spread == {key for key in known if key[0] not in (*BETWEEN, BETWEEN_FEATURES)}
    assert {"lira_auroc", "residue_identity", "relearn_speed"} <= {name for name, _ in spread}
