"""Who looks at the pages, as the rest of them need to know it: a name and a role."""

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a page may show. Each role may see and do what the one before it may."""

    VIEWER = 1
    MARKETER = 2
    OPERATOR = 3


@dataclass(frozen=True)
class Visitor:
    """Who asks for a page."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return self.role >= role
