"""Every method can be run again from the settings that a job keeps of it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from expunge.methods.registry import METHODS, resolve_method


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_setting_can_be_given_as_it_is(name: str) -> None:
    config = METHODS[name].config
    given = {field.name: getattr(config, field.name) for field in fields(config)}
    assert resolve_method(name, given)[1] == config
