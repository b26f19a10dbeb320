"""The key that stands for an address, and the addresses that asked for no more mail.

What a merge of customers may never double or lift (suppressions, caps, one message an edition) rides on the
recipient key. A recipient is suppressed for a topic when

    exists (
        select from activation.suppressions
        where
            suppressions.recipient_key = recipients.recipient_key
            and suppressions.topic in (<topic>, 'all')
            and not exists (
                select from marts.consents
                where
                    consents.email = recipients.email
                    and consents.channel = 'email'
                    and consents.topic = <topic>
                    and consents.confirmed_at > suppressions.suppressed_at
            )
    )
"""

import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import idna
import psycopg

from rapport.errors import ConfigurationError, RecipientKeyChanged
from rapport.settings import Settings

SHORTEST_SECRET = 16
KEY_LENGTH = 32  # hexadecimal digits

_EVERYBODYS = """
    select email, true as is_customer from marts.customers
    union all
    select email, false as is_customer from marts.consents
"""

_WITHDRAWN = """
    select email, false as is_customer from marts.consents
    where withdrawn_at is not null and channel = 'email'
"""


def normal_form(address: str) -> str:
    """The one spelling of an address that its key is made from: trimmed, lower case, the domain in IDNA.

    Frozen. Every key in every warehouse was made from what this function gave on the day; were it ever to
    give something else for an address, that address would lose its withdrawals and could be mailed twice. It
    is independent of how identity normalises e-mails, which a team may set.
    """
    local, at, domain = address.strip().lower().rpartition("@")
    if not domain.isascii():
        # What no mail server could be called stays as it is and still gets a key of its own.
        with suppress(idna.IDNAError):
            domain = idna.encode(domain, uts46=True).decode()
    return f"{local}{at}{domain}"


def recipient_key(address: str, key: bytes) -> str:
    """What stands for the address: the key's id, `_`, and 128 bits of HMAC-SHA256 of its normal form in hex.

    Every message and its indexes hold it, so it is no longer than it must be: among a billion addresses two
    share a key with a chance below 10^-20.
    """
    return f"{_key_id(key)}_{_sign(key, normal_form(address))[:KEY_LENGTH]}"


@dataclass(frozen=True)
class RecipientKey:
    """The secret of an installation, and where it came from."""

    secret: bytes = field(repr=False)
    origin: str

    @classmethod
    def from_settings(cls, settings: Settings) -> "RecipientKey":
        """RAPPORT_RECIPIENT_KEY, else the content of <home>/secrets/recipient_key, made on first use.

        Raises:
            ConfigurationError: the secret is too short to be one.
        """
        path = settings.home / "secrets" / "recipient_key"
        origin = "RAPPORT_RECIPIENT_KEY" if settings.recipient_key else str(path)
        secret = (settings.recipient_key or _read_or_create(path)).strip()
        if len(secret) < SHORTEST_SECRET:
            raise ConfigurationError(
                f"{origin} has {len(secret)} characters; it needs at least {SHORTEST_SECRET}, "
                "for example what `openssl rand -hex 32` prints"
            )
        return cls(secret.encode(), origin)

    @property
    def key_id(self) -> str:
        return _key_id(self.secret)

    @property
    def check_value(self) -> str:
        """What proves, without the secret, that it is the same one."""
        return _sign(self.secret, "rapport: check value")

    def key_of(self, address: str) -> str:
        """The recipient key of an address."""
        return recipient_key(address, self.secret)

    def verify(self, connection: psycopg.Connection) -> None:
        """Make sure that the warehouse's recipient keys are of this key. The first one used is registered.

        Raises:
            RecipientKeyChanged: they were made with another.
        """
        with connection.transaction():
            connection.execute("lock table activation.recipient_keys in share row exclusive mode")
            known = connection.execute("select key_id, check_value from activation.recipient_keys").fetchall()
            if not known:
                connection.execute(
                    "insert into activation.recipient_keys (key_id, check_value) values (%s, %s)",
                    [self.key_id, self.check_value],
                )
        if known and (self.key_id, self.check_value) not in known:
            raise RecipientKeyChanged(
                f"{self.origin} holds the recipient key {self.key_id}, but this warehouse's recipients were "
                f"made with {known[0][0]}, and with another key their withdrawals would be forgotten; "
                "put the former key back, in RAPPORT_RECIPIENT_KEY or in RAPPORT_HOME/secrets/recipient_key"
            )


def ensure_recipients(connection: psycopg.Connection, key: RecipientKey) -> int:
    """Give every address of the marts a row in activation.recipients; how many are new. The key is verified.

    Of two spellings with one normal form the customers' gets the row; the other has none and gets no mail. An
    address that was erased comes back only with a consent that was confirmed after that.
    """
    with connection.transaction():
        key_unknown_addresses(connection, key)
        return connection.execute(
            """
            insert into activation.recipients (recipient_key, key_id, email)
            select distinct on (recipient_key) recipient_key, %s, email from unknown_addresses
            order by recipient_key, is_customer desc, email
            on conflict (recipient_key) do update set email = excluded.email
            where
                recipients.email is null
                and exists (
                    select from marts.consents
                    where
                        consents.email = excluded.email
                        and consents.channel = 'email'
                        and consents.confirmed_at > (
                            select max(suppressions.suppressed_at) from activation.suppressions
                            where
                                suppressions.recipient_key = excluded.recipient_key
                                and suppressions.reason = 'erased'
                        )
                )
            """,
            [key.key_id],
        ).rowcount


def record_withdrawals(connection: psycopg.Connection, key: RecipientKey) -> int:
    """Append a suppression for every e-mail withdrawal that stands in marts.consents; how many are new.

    Suppressions are never removed, also where a run goes back in time. Withdrawals count in whatever spelling
    of the address they came.
    """
    with connection.transaction():
        key_unknown_addresses(connection, key, _WITHDRAWN)
        return connection.execute(
            """
            with spellings as (
                select email, recipient_key from activation.recipients
                union all
                select email, recipient_key from unknown_addresses
            )

            insert into activation.suppressions (recipient_key, topic, reason, suppressed_at)
            select distinct spellings.recipient_key, consents.topic, 'withdrawn', consents.withdrawn_at
            from marts.consents
            inner join spellings using (email)
            where consents.withdrawn_at is not null and consents.channel = 'email'
            on conflict do nothing
            """
        ).rowcount


def key_unknown_addresses(
    connection: psycopg.Connection, key: RecipientKey, addresses: LiteralString = _EVERYBODYS
) -> None:
    """Put those of the addresses that have no recipient into the temp table `unknown_addresses`.

    `addresses` is a query of email and is_customer, all of the marts unless it is given. The table has email,
    recipient_key and is_customer, and lasts as long as the transaction.
    """
    connection.execute("drop table if exists pg_temp.unknown_addresses")
    connection.execute(
        """
        create temp table unknown_addresses (email text primary key, recipient_key text, is_customer boolean)
        on commit drop
        """
    )
    unknown = connection.execute(
        """
        select email, bool_or(is_customer)
        from ("""
        + addresses
        + """) as addresses
        where
            email is not null
            and not exists (select from activation.recipients where recipients.email = addresses.email)
        group by email
        """
    ).fetchall()
    statement = "copy unknown_addresses (email, recipient_key, is_customer) from stdin"
    with connection.cursor().copy(statement) as copy:
        for email, is_customer in unknown:
            copy.write_row((email, key.key_of(email), is_customer))


def _key_id(key: bytes) -> str:
    return _sign(key, "rapport: key id")[:8]


def _sign(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def _read_or_create(path: Path) -> str:
    """The file's content; where there is no file, a new secret that only this user can read.

    The file appears whole or not at all, and of two processes that come first both get the same one.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process was first
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text()
