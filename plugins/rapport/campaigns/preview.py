"""What a campaign's mails would look like, for a customer and for the edge cases.

They are rendered in a process apart, which the clock can end whatever a template does.
"""

import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from jinja2 import nodes
from psycopg import sql

from rapport.campaigns.campaign import Campaign
from rapport.campaigns.fields import Fields
from rapport.delivery.configuration import Sender
from rapport.delivery.faults import RenderError, TemplateMistakes
from rapport.delivery.personal_data import Recipient, contexts
from rapport.delivery.rendering import TEXT, Rendered, compile_mail
from rapport.errors import InputError

PATIENCE = 10.0  # seconds for all mails of a call
MEMORY = 1 << 30  # bytes of address space, where the system keeps to it
EDGE_CASES = 8
_NAMES = ("first_name",)


@dataclass(frozen=True)
class Preview:
    """One mail as somebody would get it. `fault` says why it does not render; then `rendered` is None."""

    label: str
    customer_id: str
    step: str
    variant: str
    rendered: Rendered | None
    fault: str | None
    unsubscribe_url: str


def previews(
    connection: psycopg.Connection,
    campaign: Campaign,
    sender: Sender,
    *,
    customer: str | None = None,
    mail: tuple[str, str] | None = None,
) -> list[Preview]:
    """The campaign's mails for a customer, else for the edge cases; with `mail` one (step, variant) of them.

    The edge cases are members of its segments: an ordinary one, one who speaks another language, one without
    a first name and the one with the longest, and likewise for each other customer column that the templates
    use.

    Raises:
        InputError: the customer is not known, or the segments are empty.
    """
    if customer is not None:
        chosen = {find_customer(connection, customer): "chosen"}
    else:
        chosen = _edge_cases(connection, campaign)
    if not chosen:
        raise InputError(
            f"nobody is in {', '.join(campaign.segments_included)} now; name a customer with --customer"
        )
    code = "YOUR-CODE" if campaign.voucher else None
    people = [Recipient(uuid4(), customer_id, "preview", "", "", "", code) for customer_id in chosen]
    # Its unsubscribe link leads nowhere: nobody is to leave a list by trying a preview.
    data = contexts(connection, campaign, sender, b"preview", people)
    found = []
    for step, variant in [mail] if mail else campaign.contents:
        outcomes = render_apart(campaign.mail(step, variant), [data[who.message_id] for who in people])
        for person, outcome in zip(people, outcomes, strict=True):
            found.append(
                Preview(
                    label=chosen[person.customer_id],
                    customer_id=person.customer_id,
                    step=step,
                    variant=variant,
                    rendered=outcome if isinstance(outcome, Rendered) else None,
                    fault=outcome if isinstance(outcome, str) else None,
                    unsubscribe_url=data[person.message_id]["unsubscribe_url"],
                )
            )
    return found


def render_apart(
    mail: tuple[str, str, str], contexts: Sequence[Mapping[str, Any]], patience: float = PATIENCE
) -> list[Rendered | str]:
    """Render a mail (subject, preheader, template source) in a process of its own, for each context.

    Returns the mails, or for those that do not render the sentence that says why.
    """
    work = pickle.dumps((mail, [dict(context) for context in contexts]))
    try:
        child = subprocess.run(
            [sys.executable, "-m", "rapport.campaigns.preview"],
            input=work,
            capture_output=True,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        return [f"the mail takes longer than {patience:g} seconds to render"] * len(contexts)
    if child.returncode:
        return ["rendering the mail ended early; it needs too much memory"] * len(contexts)
    return [Rendered(*one) if isinstance(one, tuple) else one for one in pickle.loads(child.stdout)]


def _render_all(work: bytes) -> bytes:
    mail, contexts = pickle.loads(work)
    try:
        template = compile_mail(*mail)
    except TemplateMistakes as error:
        return pickle.dumps([str(error)] * len(contexts))
    outcomes: list[tuple[str, str, str] | str] = []
    for context in contexts:
        try:
            rendered = template.render(context)
            outcomes.append((rendered.subject, rendered.html, rendered.text))
        except RenderError as error:
            outcomes.append(str(error))
    return pickle.dumps(outcomes)


def find_customer(connection: psycopg.Connection, customer: str) -> str:
    """The id of a customer who is named by id, former id or e-mail address.

    Raises:
        InputError: nobody is known by it.
    """
    row = connection.execute(
        """
        select customer_id from marts.customers
        where
            customer_id = %(name)s
            or email = lower(%(name)s)
            or customer_id = (select customer_id from identity.merges where old_customer_id = %(name)s)
        limit 1
        """,
        {"name": customer.strip()},
    ).fetchone()
    if row is None:
        raise InputError(f"there is no customer {customer}; give a customer_id or an e-mail address")
    return str(row[0])


def _edge_cases(connection: psycopg.Connection, campaign: Campaign) -> dict[str, str]:
    """By customer id, what makes them worth a look."""
    cases: dict[str, str] = {}

    def add(label: str, order: sql.Composable, where: sql.Composable, *values: object) -> None:
        query = sql.SQL(
            """
            select customers.customer_id from marts.customers
            inner join segments.members using (customer_id)
            where members.segment = any(%s) and {where}
            order by {order}, customers.customer_id limit 1
            """
        ).format(where=where, order=order)
        row = connection.execute(query, [campaign.segments_included, *values]).fetchone()
        if row is not None:
            cases[row[0]] = f"{cases[row[0]]}, {label}" if row[0] in cases else label

    anybody = sql.SQL("md5(customers.customer_id)")
    add("ordinary", anybody, sql.SQL("true"))
    known = Fields.of(connection).customer
    if "language" in known and cases:
        row = connection.execute(
            "select language from marts.customers where customer_id = any(%s)", [list(cases)]
        ).fetchone()
        spoken = row[0] if row and row[0] else ""
        add("other language", anybody, sql.SQL("customers.language <> %s"), spoken)
    for column in sorted({*_NAMES, *_columns(campaign)}.intersection(known), key=_names_first):
        if len(cases) >= EDGE_CASES:
            break
        name = sql.Identifier("customers", column)
        add(f"no {column}", sql.SQL("1"), sql.SQL("{} is null").format(name))
        if known[column] == "text":
            longest = sql.SQL("length({}) desc").format(name)
            add(f"longest {column}", longest, sql.SQL("{} is not null").format(name))
    return cases


def _names_first(column: str) -> tuple[bool, str]:
    return column not in _NAMES, column


def _columns(campaign: Campaign) -> set[str]:
    sources = [part for mail in campaign.contents for part in campaign.mail(*mail)]
    return {
        node.attr
        for source in sources
        for node in TEXT.parse(source).find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == "customer"
    }


def _bound_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    _bound_memory()
    sys.stdout.buffer.write(_render_all(sys.stdin.buffer.read()))
