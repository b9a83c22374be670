from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax

from expunge.functional.distillation import distillation
from expunge.functional.forgetting import expected_error


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_it_is_kl_of_the_student_from_the_teacher_mean_over_attributes(temperature: float) -> None:
    made = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(7, 5, generator=made) for _ in "st")
    parts = []
    for part in (slice(0, 3), slice(3, 5)):
        s, t = (softmax(logits[:, part].double().numpy() / temperature, axis=1) for logits in (student, teacher))
        parts.append(rel_entr(t, s).sum(1).mean())
    ours = float(distillation(student, teacher, sizes=(3, 2), temperature=temperature))
    assert ours == pytest.approx(temperature**2 * float(np.mean(parts)), rel=1e-5)
    swapped = float(distillation(teacher, student, sizes=(3, 2), temperature=temperature))
    assert abs(swapped - ours) > 0.01, "the direction matters, or this test could not tell"


def test_equal_answers_are_no_distance_in_any_precision() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    assert float(distillation(logits, logits + 5, sizes=(3,))) == pytest.approx(0, abs=1e-6)
    assert distillation(logits.bfloat16(), logits.bfloat16(), sizes=(3,)).dtype == torch.float32


def test_expected_error_is_reweighted_to_the_labels_of_the_forget_set() -> None:
    errors, labels = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0]), np.array([[0], [0], [1], [1], [1], [1]])
    assert expected_error(errors, labels, np.array([[0], [0], [0], [1]])) == 0.75
    assert expected_error(errors, labels, labels) == pytest.approx(errors.mean())
    assert expected_error(errors, labels, np.array([[7]])) == pytest.approx(errors.mean()), "nobody has this label"
