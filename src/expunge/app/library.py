"""The same use cases for a notebook: models and pictures in memory instead of files, the same line through them.

Modules, tensors, data sets or paths flow in; a result that shows itself as a table flows out. Nothing is written
unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from expunge.app.desk import Desk, Silent
from expunge.app.inputs import check_answers
from expunge.app.line import Erased, Erasure, run_line
from expunge.app.references import Retraining
from expunge.app.results import erasure_metrics, erasure_rows
from expunge.app.user import UserTrain
from expunge.audits.run import AuditReport
from expunge.data.dataset import Dataset, from_tensors
from expunge.data.requests import ErasureRequest, RequestFindings, resolve
from expunge.data.sources import DataSpec, from_datasets
from expunge.engine.loop import Outcome
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import DataError, ModelError
from expunge.methods.registry import resolve_method
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import Preprocessing
from expunge.models.load import load_model, wrap_module
from expunge.types import LabelSpec, TrainRecipe
