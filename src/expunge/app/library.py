"""The same use cases for a notebook: models and pictures in memory instead of files, the same line through them.

Modules, tensors, data sets or paths flow in; a result that shows itself as a table flows out. Nothing is written
unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from torch import nn

from expunge.app.audit import audit_models
from expunge.app.desk import Both, Desk, Silent
from expunge.app.line import Erased, Erasure, run_line
from expunge.app.memory import Pictures, as_artefact, as_dataset, as_request
from expunge.app.references import Retraining, check_apart
from expunge.app.results import TableRow, erasure_metrics, table_rows, text_table
from expunge.app.user import UserTrain
from expunge.audits.run import AuditReport
from expunge.data.requests import ErasureRequest, RequestFindings, resolve
from expunge.data.sources import DataSpec
from expunge.engine.outcome import Outcome
from expunge.engine.settings import EngineSettings, decide
from expunge.methods.registry import resolve_method
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import Preprocessing
from expunge.types import TrainRecipe

Model = nn.Module | str | Path
NearCopies = Literal["ask", "move", "ignore"]


@dataclass(frozen=True)
class ErasureResult:
    """What came out of an erasure.

    Args:
        model: the unlearned network, of the class that was handed in; on the CPU, in inference mode.
        report: the audit: rows before and after, of references, and what cannot be said.
        findings: what resolving the request found: copies moved, copies for review, limits.
        outcome: steps, time, phases, and whether any weight changed.
        warnings: what must not be missed.
    """

    model: nn.Module
    report: AuditReport
    findings: RequestFindings
    outcome: Outcome
    warnings: tuple[str, ...]
    _artefact: ModelArtefact
    _erased: Erased
    _rows: tuple[TableRow, ...]

    def save(self, path: str | Path) -> Path:
        """Write the unlearned model into a new directory, as the kind of thing that was handed in.

        Raises:
            ModelError: what was written does not read back the same.
        """
        self._artefact.save(self._erased.model, Path(path))
        return Path(path)

    def __repr__(self) -> str:
        return "\n".join([*(f"warning: {text}" for text in self.warnings), text_table(self._rows)])


def erase(
    model: Model,
    data: Pictures,
    request: ErasureRequest | Sequence[str],
    *,
    method: str = "dlfd",
    settings: Mapping[str, object] | None = None,
    references: Sequence[Model] = (),
    train_references: int = 0,
    recipe: TrainRecipe | None = None,
    train: UserTrain | None = None,
    factory: Callable[[], nn.Module] | None = None,
    columns: DataSpec | None = None,
    preprocessing: Preprocessing | None = None,
    head: str | None = None,
    near_copies: NearCopies = "ask",
    seed: int = 0,
    engine: EngineSettings | None = None,
    desk: Desk | None = None,
) -> ErasureResult:
    """Erase people or pictures from a classifier and measure how well it worked.

    Args:
        model: a network that maps float pictures [b, C, H, W] to logits [b, c]; a model directory; or a
            `PixelClassifier`. It is not changed.
        data: a `Dataset`; a mapping of `pixels` (uint8 [n, C, H, W]), `labels` (int [n] or [n, k]), `roles` (`train`,
            `tuning`, `reporting`) and, as known, `subjects` and `ids`; or a `datasets.Dataset` with `columns`.
        request: an `ErasureRequest`, or the names of the subjects to erase.
        method, settings: a method (`dlfd:paper`) and values for its settings.
        references: models retrained without the forget set; without any, nothing can be said against retraining.
        train_references: how many of these to train here; needs `recipe` and `factory`, or `train`.
        recipe: how the model was trained. train: or the user's own `(pictures, seed) -> network`.
        factory: builds a freshly initialised network.
        columns: which column of a `datasets.Dataset` is what.
        preprocessing: size and normalisation of a plain network; where None it gets pictures in 0..1 as they are.
        head: name of the last linear layer, where it is not found.
        near_copies: what to do with near copies under the same name: `ask` lists them, `move` erases them too,
            `ignore` does not search. Those under other names are always only listed.
        seed: all randomness follows from it.
        engine: device, precision, budget; what is `auto` is decided by measured rules.
        desk: who listens to progress; nobody where None.

    Raises:
        ExpungeError: anything about the arguments, saying what was expected and what came.

    Example:
        >>> from expunge.data.synthetic import synthetic_faces
        >>> faces = synthetic_faces(12, 4, size=8)
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 4))
        >>> result = erase(net, faces, [str(faces.role("train").subjects[0])], method="finetune")
        >>> result.outcome.changed, result.report.row("accuracy", "forget").n
        (True, 4)
    """
    pictures = as_dataset(data, columns, model, preprocessing)
    artefact = as_artefact(model, pictures, preprocessing=preprocessing, head=head, factory=factory)
    resolution = resolve(as_request(request), pictures, near_copies=near_copies)
    decided = decide(replace(engine or EngineSettings(), seed=seed))
    chosen, config = resolve_method(method, settings)
    beside = tuple(as_artefact(m, pictures, preprocessing=preprocessing, head=head) for m in references)
    check_apart([artefact], beside)
    erasure = Erasure(
        resolution=resolution,
        artefact=artefact,
        method=chosen,
        config=config,
        retraining=Retraining(artefact, resolution.task.retain, recipe or artefact.recipe, train, decided),
        references=beside,
        train=train_references,
        settings=decided,
        key="",
    )
    heard = Silent()
    erased = run_line(erasure, run=None, desk=Both(desk or Silent(), heard))
    return ErasureResult(
        model=erased.model if isinstance(model, type(erased.model)) else erased.model.net,
        report=erased.report,
        findings=resolution.findings,
        outcome=erased.outcome,
        warnings=tuple(heard.warnings),
        _artefact=artefact,
        _erased=erased,
        _rows=tuple(table_rows(erasure_metrics(erasure, erased))),
    )


def audit(
    model: Model,
    data: Pictures,
    request: ErasureRequest | Sequence[str],
    *,
    original: Model | None = None,
    references: Sequence[Model] = (),
    columns: DataSpec | None = None,
    preprocessing: Preprocessing | None = None,
    head: str | None = None,
    near_copies: NearCopies = "ask",
    seed: int = 0,
    engine: EngineSettings | None = None,
    desk: Desk | None = None,
) -> AuditReport:
    """Measure what a finished model still knows about the pictures of a request; the arguments are those of `erase`.

    Args:
        model: the model to audit. original: the model before erasure, to compare with.
    """
    pictures = as_dataset(data, columns, model, preprocessing)
    resolution = resolve(as_request(request), pictures, near_copies=near_copies)

    def load(found: Model) -> ModelArtefact:
        return as_artefact(found, pictures, preprocessing=preprocessing, head=head)

    models, before = [load(model)], [load(original)] if original is not None else []
    beside = [load(reference) for reference in references]
    check_apart((*before, *models), beside)
    (audited,) = audit_models(
        models,
        before,
        beside,
        resolution,
        settings=decide(replace(engine or EngineSettings(), seed=seed)),
        desk=desk or Silent(),
    )
    return audited.report
