"""The tables that planning reads, by name: those of now, or what they were at another time."""

from dataclasses import dataclass, fields

from psycopg import sql

Name = tuple[str, str]


@dataclass(frozen=True)
class Tables:
    """(schema, table) of relations with the columns of those named here."""

    customers: Name = ("marts", "customers")
    consents: Name = ("marts", "consents")
    members: Name = ("segments", "members")
    memberships: Name = ("segments", "memberships")
    suppressions: Name = ("activation", "suppressions")
    editions: Name = ("activation", "editions")
    messages: Name = ("activation", "messages")
    recipients: Name = ("activation", "recipients")
    arms: Name = ("activation", "arms")

    def named(self) -> dict[str, sql.Composable]:
        """Quoted, by field, for `sql.SQL.format`."""
        return {field.name: sql.Identifier(*getattr(self, field.name)) for field in fields(self)}


NOW = Tables()
