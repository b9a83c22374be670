"""What shadows add to an audit: U-LiRA's curves, of every model beside the references that are not itself."""

from __future__ import annotations

from torch import nn

from expunge.app.deeper import Audited, attacked
from expunge.audits.population import roc_curves
from expunge.audits.run import audit
from expunge.audits.shadowattacks import ShadowStudy, ratio_scores
from expunge.models.classifier import PixelClassifier
from expunge.models.preprocessing import Preprocessing
from tests.audits.test_shadowattacks import MODELS, SPEC, model, shadows


def test_u_lira_has_curves_and_holds_no_reference_against_itself() -> None:
    after, first, second = model(21), model(22), model(23)
    unlearned, retrained = shadows(MODELS, 5, gain=1.0), shadows(2 * MODELS, 6)
    network = PixelClassifier(
        nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), Preprocessing((2, 2)), SPEC
    )  # not looked at
    report = audit(None, after, [first, second], draws=5)
    audited = Audited(None, network, (network, network), None, after, (first, second), report)
    found = attacked(audited, ShadowStudy(unlearned=unlearned, retrained=retrained), 0).report
    assert found.curves is not None and found.people_by_lira is None
    curves = {curve.model: curve.tpr for curve in found.curves.curves if curve.attack == "u_lira"}
    assert curves.keys() == {"after", "reference-1", "reference-2"}
    alone = ratio_scores(first["forget"], [second["forget"]], unlearned, retrained)
    assert curves["reference-1"] == roc_curves({"": {"": alone}}).curves[0].tpr
