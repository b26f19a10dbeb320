"""The team's model parameters."""

import re
from dataclasses import replace

import pytest
import yaml

from rapport import dbt
from rapport.errors import ConfigurationError
from rapport.ledger import EVERYTHING, News
from rapport.settings import PROJECT, Settings


def test_the_shipped_parameters_show_every_default_there_is() -> None:
    text = (PROJECT / "config" / "customer_view.yml").read_text()
    shown = dict(re.findall(r"^(?:# )?([a-z_]+): \"?([^\s\"]+)", text, flags=re.MULTILINE))
    defaults = yaml.safe_load((PROJECT / "dbt_project" / "dbt_project.yml").read_text())["vars"]
    del defaults["service_hours"]  # config/service.yml
    assert shown == {name: str(value) for name, value in defaults.items() if value is not None}


def test_a_mistyped_parameter_is_named_with_the_nearest(settings: Settings) -> None:
    (settings.config / "customer_view.yml").write_text("lapsed_day: 90\n")
    with pytest.raises(
        ConfigurationError, match=r"customer_view\.yml: unknown key lapsed_day; did you mean lapsed_days\?"
    ):
        dbt.parameters(settings)


def test_without_a_file_the_defaults_hold(settings: Settings) -> None:
    assert dbt.parameters(replace(settings, config=settings.config / "empty")) == {}


def test_without_news_a_layer_is_what_moves_with_time() -> None:
    assert dbt.selected("segments", News()) == ["path:models/segments,tag:as_of"]
    assert dbt.selected("segments", EVERYTHING) == ["path:models/segments"]


def test_what_shows_changes_is_built_before_identity_says_that_there_are_any() -> None:
    assert [dbt.selected(layer, News()) for layer in ("staging", "marts")] == [
        [
            "path:models/staging,tag:since",
            "path:models/staging,tag:as_of",
            "path:models/intermediate/identity,tag:since",
            "path:models/intermediate/identity,tag:as_of",
        ],
        [f"{path},tag:as_of" for path in dbt.LAYERS["marts"]],
    ]


def test_news_of_a_stream_is_news_of_what_follows_from_it_alone() -> None:
    assert dbt.selected("segments", News(frozenset({"refunds"}))) == [
        "path:models/segments,source:raw.refunds+",
        "path:models/segments,tag:since",
        "path:models/segments,tag:as_of",
    ]
