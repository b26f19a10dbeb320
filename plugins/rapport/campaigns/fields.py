"""The names that a mail may use, and those that it uses but that do not exist."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
from jinja2 import nodes

from rapport.audiences import stored_definitions
from rapport.campaigns.conditions import customer_columns
from rapport.campaigns.files import nearest
from rapport.delivery.blocks import BLOCKS
from rapport.delivery.configuration import Sender
from rapport.delivery.rendering import HTML
from rapport.delivery.sandbox import mistakes_in

_NAMES = ("customer", "member", "sender", "voucher", *BLOCKS, "unsubscribe_url", "preheader")


@dataclass(frozen=True)
class Fields:
    """Columns of marts.customers with their types, and of each segment's view; where empty, not checked.

    `defined` are the segments that people made in the pages: the next run builds them.
    """

    customer: dict[str, str] = field(default_factory=dict)
    segments: dict[str, list[str]] = field(default_factory=dict)
    defined: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, connection: psycopg.Connection) -> "Fields":
        """The columns that the warehouse has now."""
        rows = connection.execute(
            """
            select table_name, array_agg(column_name::text order by ordinal_position)
            from information_schema.columns
            inner join information_schema.views using (table_schema, table_name)
            where table_schema = 'segments'
            group by table_name
            """
        ).fetchall()
        return cls(
            customer=customer_columns(connection),
            segments=dict(rows),
            defined=[stored.name for stored in stored_definitions.in_use(connection)],
        )

    def mistakes_in(self, source: str, member_segments: Sequence[str]) -> Iterator[tuple[int, str]]:
        """(line, what is wrong) for each unknown name in a Jinja source, or its syntax error."""
        if wrong := list(mistakes_in(source, HTML)):
            yield from wrong
            return
        tree = HTML.parse(source)
        known = {
            "customer": list(self.customer),
            "member": self._common_columns(member_segments),
            "sender": list(Sender.model_fields),
            **{name: list(block.fields) for name, block in BLOCKS.items() if not block.is_list},
        }
        own = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"} | {"loop"}
        for name in tree.find_all(nodes.Name):
            if name.ctx == "load" and name.name not in own and name.name not in _NAMES:
                words = [*_NAMES, *sorted(own - {"loop"})]
                yield name.lineno, f"there is no {name.name}{nearest(name.name, words)}"
        for record, column, line in _columns_used(tree):
            if record in known and known[record] and column not in known[record] and record not in own:
                yield line, f"there is no {record}.{column}{nearest(column, known[record])}"

    def _common_columns(self, segments: Sequence[str]) -> list[str]:
        if not segments or any(segment not in self.segments for segment in segments):
            return []
        first, *others = (self.segments[segment] for segment in segments)
        return [column for column in first if all(column in columns for columns in others)]


def _columns_used(tree: nodes.Template) -> Iterator[tuple[str, str, int]]:
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name):
            yield node.node.name, node.attr, node.lineno
    for item in tree.find_all(nodes.Getitem):
        if (
            isinstance(item.node, nodes.Name)
            and isinstance(item.arg, nodes.Const)
            and isinstance(item.arg.value, str)
        ):
            yield item.node.name, item.arg.value, item.lineno
