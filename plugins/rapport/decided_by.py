"""Who a decision made on the command line is noted for."""

import getpass
from typing import Annotated

import typer

By = Annotated[str | None, typer.Option("--by", help="Who decides; default: who is logged in.")]


def who(by: str | None) -> str:
    """The name given, else that of who is logged in to this machine."""
    return by or getpass.getuser()
