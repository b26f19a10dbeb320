"""What a check of the live installation found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`is_ok` is None where it could not be told. `advice`: what to do, where there is something to do."""

    name: str
    is_ok: bool | None
    detail: str
    advice: str | None = None
