"""Models come in, start afresh by their seed, and say in one line what does not fit."""

from __future__ import annotations

import copy
import pickle
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from expunge.errors import ExpungeError, ModelError, Unavailable
from expunge.models.load import load_model, new_model, wrap_module
from expunge.models.weights import hash_state, state_bytes_hash
from expunge.types import LabelSpec
from tests.models.nets import SHAPE, SMALL, SPEC, TWO, small_net


@pytest.mark.parametrize("spec", [SPEC, TWO])
def test_a_bundled_model_comes_back_as_it_was_saved(tmp_path: Path, spec: LabelSpec) -> None:
    made = new_model("resnet10-eighth", spec, SHAPE, seed=0)
    made.save(made.classifier, tmp_path)
    again = load_model(tmp_path)
    assert again.classifier.spec == spec
    assert again.weights_sha256 == made.weights_sha256 == state_bytes_hash(again.classifier)
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(again.classifier(x), made.classifier(x))


def test_bundled_widths_are_shares_of_the_standard_one() -> None:
    counts = {}
    for name in ("resnet18", "resnet18-half"):
        net = new_model(name, SPEC, SHAPE, seed=0).classifier.net
        counts[name] = net.config.embedding_size, net.config.hidden_sizes
        assert net.resnet.embedder.embedder.convolution.kernel_size == (7, 7)
    assert counts == {"resnet18": (64, [64, 128, 256, 512]), "resnet18-half": (32, [32, 64, 128, 256])}


def test_fresh_models_follow_the_seed_and_leave_all_global_states_alone(saved: Path, module: str) -> None:
    drawn = new_model(f"{module}:drawn", SPEC, SMALL, seed=0)  # its factory uses Python's own generator
    for made in (load_model(saved), drawn):
        torch.manual_seed(5), random.seed(5), np.random.seed(5)
        expected = torch.rand(1), random.random(), np.random.rand()
        torch.manual_seed(5), random.seed(5), np.random.seed(5)
        first, same, other = (state_bytes_hash(made.fresh(s)) for s in (1, 1, 2))
        assert (torch.rand(1), random.random(), np.random.rand()) == expected
        assert first == same != other


def test_loading_draws_no_random_numbers(saved: Path) -> None:
    state = torch.get_rng_state()
    load_model(saved)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_new_model_of_a_factory_is_one_of_the_factory_kind(factory: str, tmp_path: Path) -> None:
    made = new_model(factory, SPEC, SMALL, seed=3)
    made.save(made.classifier, tmp_path / "out")
    again = load_model(factory, weights=tmp_path / "out/model.safetensors")
    assert (again.kind, again.weights_sha256) == ("factory", made.weights_sha256)
    reopened = made.reopen(tmp_path / "out")
    assert reopened.weights_sha256 == made.weights_sha256
    # a directory alone never makes expunge import what it names
    with pytest.raises(ModelError, match=f"it was {factory}"):
        load_model(tmp_path / "out")


def test_classifiers_survive_copying_and_pickling_and_channels_last_and_bf16(saved: Path) -> None:
    model, x = load_model(saved).classifier, torch.rand(2, 3, 32, 32)
    expected = model(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other.features_and_logits(x)[1], expected)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        features, logits = last.features_and_logits(x.contiguous(memory_format=torch.channels_last))
    assert features.shape == (2, 64) and logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), expected, atol=0.05, rtol=0.05)


def test_the_hash_tells_whether_a_weight_changed() -> None:
    net = small_net()
    before = state_bytes_hash(net)
    assert before == state_bytes_hash(copy.deepcopy(net)) == hash_state(net.state_dict())
    with torch.no_grad():
        net[3].bias[0] = torch.nextafter(net[3].bias[0], torch.tensor(9.0))
    assert state_bytes_hash(net) != before


def test_a_module_in_hand_cannot_start_afresh_without_a_factory() -> None:
    with pytest.raises(Unavailable, match="factory"):
        wrap_module(small_net(), SPEC, SMALL).fresh(0)
    assert wrap_module(small_net(), SPEC, SMALL, factory=small_net).fresh(0).head_name == "3"
    bad = small_net()
    bad[1].bias.data[0] = torch.inf
    with pytest.raises(ModelError, match=r"1\.bias of the module"):
        wrap_module(bad, SPEC, SMALL)


def test_classes_must_be_the_same_in_the_same_order(saved: Path) -> None:
    swapped = LabelSpec(("age",), (("b", "a", "c"),))
    with pytest.raises(ModelError, match="as the model was trained"):
        load_model(saved, spec=swapped)
    (saved / "expunge.json").unlink()
    with pytest.raises(ModelError, match="in the order"):
        load_model(saved, spec=swapped)
    assert load_model(saved).classifier.spec.classes == (("a", "b", "c"),)
    assert load_model(saved, spec=LabelSpec(("age",), (("0", "1", "2"),))).classifier.spec.names == ("age",)


def test_bad_places_and_names_are_one_line(
    factory: str, module: str, tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("timm", "torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, library, None)  # as if not installed
    file = tmp_path / "w.safetensors"
    save_file(small_net().state_dict(), file)
    (tmp_path / "faulty.py").write_text("def (:\n")
    five = LabelSpec(("age",), (tuple("abcde"),))
    cases = [
        (lambda: load_model(tmp_path / "nowhere"), "not there"),
        (lambda: load_model("no.such:thing", spec=SPEC, weights=file, preprocessing=SMALL), "No module named"),
        (lambda: load_model(":thing", spec=SPEC, weights=file, preprocessing=SMALL), "package.module:factory"),
        (lambda: load_model("faulty:thing", spec=SPEC, weights=file, preprocessing=SMALL), "SyntaxError"),
        (lambda: load_model(f"{module}:none", spec=SPEC, weights=file, preprocessing=SMALL), "a function 'none'"),
        (lambda: load_model(f"{module}:wrong", spec=SPEC, weights=file, preprocessing=SMALL), "came int"),
        (lambda: load_model(f"{module}:broken", spec=SPEC, weights=file, preprocessing=SMALL), "RuntimeError: two"),
        (lambda: load_model(factory, spec=SPEC, preprocessing=SMALL), "--weights"),
        (lambda: load_model(factory, spec=SPEC, weights=file), "size, mean and std"),
        (lambda: load_model(factory, weights=file, preprocessing=SMALL), "classes for"),
        (lambda: load_model(factory, spec=five, weights=file, preprocessing=SMALL), "5 classes .* came 3 in the model"),
        (lambda: load_model(saved, spec=TWO), "as the model was trained"),
        (lambda: new_model("resnet99", SPEC, SHAPE, seed=0), "resnet18-half"),
        (lambda: new_model("timm:resnet18", SPEC, SHAPE, seed=0), r"expunge\[timm\]"),
        (lambda: new_model("torchvision:resnet18", SPEC, SHAPE, seed=0), r"expunge\[torchvision\]"),
    ]
    for call, message in cases:
        with pytest.raises(ExpungeError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
