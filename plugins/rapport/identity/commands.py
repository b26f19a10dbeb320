"""`rapport identity`: why somebody is who they are, and what a person decides about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rapport.decided_by import By, who
from rapport.errors import ConfigurationError
from rapport.settings import Settings

if TYPE_CHECKING:
    import psycopg

    from rapport.identity.configuration import Identity
    from rapport.identity.decisions import Identifier
    from rapport.identity.explanation import Link

identity_app = typer.Typer(help="Who is the same person, why, and who is not.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(
        help="An e-mail address, a phone like +49301234, customer_number:SOURCE:NUMBER, contact:SOURCE:ID "
        "or device:ID."
    ),
]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept with the decision.")]
NEXT = "It takes effect with the next run."


@identity_app.command()
def explain(name: Name) -> None:
    """Print who somebody is, and the chain of evidence from this identifier to each of theirs."""
    from rapport.identity import explanation

    with _warehouse() as (connection, identity):
        start = explanation.find(connection, name)
        found = explanation.explain(connection, start, identity)
    print(f"{start} is customer {found.customer_id}, named after {found.named_after}")
    if found.former_ids:
        print(f"Former ids that lead here: {', '.join(found.former_ids)}")
    if found.does_not_link:
        print(f"Note: {found.does_not_link}")
    for member in found.members:
        print(f"\n{member.identifier}")
        print(f"  seen {member.first_seen_at:%Y-%m-%d} to {member.last_seen_at:%Y-%m-%d}")
        if not member.chain and member.identifier != start:
            print("  no longer linked; the next run takes it away")
        _print_chain(start, member.chain)


@identity_app.command()
def split(
    name: Name,
    other: Annotated[str | None, typer.Argument(help="Cut it from this one.")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Many people use it: it links nobody.")] = False,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Cut two identifiers apart, or mark one as shared. The next run gives both sides their history back."""
    from rapport.identity import decisions, explanation

    if shared == (other is not None):
        raise ConfigurationError(
            "say what to split: `rapport identity split NAME OTHER` cuts the two apart, "
            "`rapport identity split NAME --shared` lets NAME link nobody"
        )
    with _warehouse() as (connection, identity):
        first = explanation.find(connection, name)
        if other is None:
            number = decisions.decide(connection, "shared", first, by=who(by), reason=reason)
            print(f"Decision {number}: {first} is shared and links nobody. {NEXT}")
            return
        second = explanation.find(connection, other)
        _check_two(first, second)
        number = decisions.decide(connection, "cut", first, second, by=who(by), reason=reason)
        left = explanation.chain(connection, first, second, identity)
    print(f"Decision {number}: {first} and {second} are cut apart. {NEXT}")
    if left:
        print("\nThey are still one customer, by another way; cut one of its steps too:")
        _print_chain(first, left)


@identity_app.command()
def join(name: Name, other: Name, reason: Reason = None, by: By = None) -> None:
    """Say that two identifiers are one person, e.g. to accept a proposal. `undo` takes it back."""
    from rapport.identity import decisions, explanation

    with _warehouse() as (connection, _):
        first, second = explanation.find(connection, name), explanation.find(connection, other)
        _check_two(first, second)
        number = decisions.decide(connection, "join", first, second, by=who(by), reason=reason)
    print(f"Decision {number}: {first} and {second} are one person. {NEXT}")


@identity_app.command()
def trust(name: Name, reason: Reason = None, by: By = None) -> None:
    """Let an identifier link however many it was seen with; it leaves the review."""
    from rapport.identity import decisions, explanation

    with _warehouse() as (connection, _):
        first = explanation.find(connection, name)
        number = decisions.decide(connection, "trusted", first, by=who(by), reason=reason)
    print(f"Decision {number}: {first} links everybody it was seen with. {NEXT}")


@identity_app.command()
def undo(
    decision: Annotated[int, typer.Argument(help="Its number, from `rapport identity decisions`.")],
    reason: Reason = None,
    by: By = None,
) -> None:
    """Take a decision back."""
    from rapport.identity import decisions

    with _warehouse() as (connection, _):
        if not decisions.undo(connection, decision, by=who(by), reason=reason):
            raise ConfigurationError(
                f"there is no decision {decision} that holds; `rapport identity decisions` lists them"
            )
    print(f"Decision {decision} holds no longer. {NEXT}")


@identity_app.command("decisions")
def list_decisions() -> None:
    """List what people decided, the newest first."""
    with _warehouse() as (connection, _):
        rows = connection.execute(
            """
            select
                decision_id, decided_at, decided_by, decision, kind_a, source_a, value_a,
                kind_b, source_b, value_b, undoes, reason
            from identity.decisions order by decision_id desc
            """
        ).fetchall()
    for number, at, decided_by, decision, *names, undoes, reason in rows:
        about = f"decision {undoes}" if undoes else " and ".join(_spelled(names))
        print(
            f"{number}  {at:%Y-%m-%d %H:%M}  {decided_by}  {decision} {about}"
            + (f"  ({reason})" if reason else "")
        )
    if not rows:
        print("Nobody has decided anything yet.")


@identity_app.command()
def review() -> None:
    """List the identifiers that stopped linking, with whom they would join, and proposed merges."""
    from rapport.identity import review as reviewing

    with _warehouse() as (connection, _):
        shared = reviewing.shared_identifiers(connection)
        proposals = reviewing.proposals(connection)
    for item in shared:
        print(f"{item.identifier} was seen with {item.links} of kind {item.linked}; it would join")
        for customer in item.customers:
            print(f"  {customer}")
        print(
            f"  `rapport identity trust {item.name}` if it is one person, "
            f"`rapport identity split {item.name} --shared` if not\n"
        )
    for proposal in proposals:
        print(f"{proposal.probability:.3f}  {proposal.customers[0]}")
        print(f"       {proposal.customers[1]}")
        print(f"       {proposal.evidence}; `rapport identity join {' '.join(proposal.names)}`\n")
    if not shared and not proposals:
        print("Nothing waits for review.")


@identity_app.command()
def propose(
    threshold: Annotated[
        float, typer.Option(min=0.5, max=1, help="The least probability to propose.")
    ] = 0.95,
) -> None:
    """Look for customers who may be one person by name, address and birth date. Merges nothing."""
    from rapport.identity import proposals

    with _warehouse() as (connection, _):
        count = proposals.propose(connection, threshold=threshold)
    print(f"{count:,} proposals; `rapport identity review` shows them, `rapport identity join` accepts one")


@contextmanager
def _warehouse() -> "Iterator[tuple[psycopg.Connection, Identity]]":
    from rapport import warehouse
    from rapport.identity.configuration import read_identity

    settings = Settings.from_environment()
    identity = read_identity(settings)
    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    with warehouse.connect(url) as connection:
        row = connection.execute(
            "select to_regclass('intermediate.int_identity_observations') is not null"
        ).fetchone()
        if row is None or not row[0]:
            raise ConfigurationError("nobody is known yet; `rapport run` finds out who is who")
        yield connection, identity


def _check_two(first: "Identifier", second: "Identifier") -> None:
    if first == second:
        raise ConfigurationError(f"both names are {first}; two different identifiers are needed")


def _spelled(names: list[str | None]) -> list[str]:
    from rapport.identity.decisions import Identifier
    from rapport.identity.explanation import spelled

    sides = [names[:3], names[3:]]
    return [spelled(Identifier(*map(str, side))) for side in sides if side[0] is not None]


def _print_chain(start: "Identifier", chain: "list[Link]") -> None:
    here = start
    for link in chain:
        here = link.second if link.first == here else link.first
        print(f"  -> {here}\n     {link}")
