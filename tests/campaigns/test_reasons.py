"""The sentences for why somebody gets nothing: the pages say what the message history says."""

import ast

from rapport.campaigns.reasons import REASONS
from rapport.settings import PROJECT


def test_they_are_those_of_the_message_history() -> None:
    macro = (PROJECT / "dbt_project" / "macros" / "message_reasons.sql").read_text()
    by_state = ast.literal_eval(
        macro[macro.index("return(") + 7 : macro.rindex("}") - 1].rpartition(")")[0].strip()
    )
    assert {**by_state["skipped"], **by_state["expired"]} == REASONS
