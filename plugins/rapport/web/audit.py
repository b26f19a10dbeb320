"""Who looked at a person and who took data away: written and committed before either is shown."""

from typing import Any

from psycopg.types.json import Jsonb

from rapport import warehouse
from rapport.settings import Settings
from rapport.web.visitors import Visitor


def record(settings: Settings, who: Visitor, action: str, subject: str, **detail: Any) -> None:
    """Put on record that `who` did `action` ("viewed customer", "downloaded segment") to `subject`.

    `subject` and `detail` name things by id: the record itself holds no personal data.
    """
    with warehouse.connect(warehouse.ensure(settings)) as connection:
        connection.execute(
            "insert into ops.page_audit (who, role, action, subject, detail) values (%s, %s, %s, %s, %s)",
            [who.name, who.role.name.lower(), action, subject, Jsonb(detail)],
        )
