import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from psycopg import sql
from public_application import KEY, Public, site
from running_application import running
from webhook_signing import PUBLIC_KEY

from rapport import roles, warehouse
from rapport.public.login import ensure_login


@pytest.fixture
def login(warehouse_url: str) -> Iterator[str]:
    """The log-in of the public pages."""
    parts = urlsplit(warehouse_url)
    name = f"web_{secrets.token_hex(4)}"
    url = parts._replace(netloc=f"{name}:p%40ss@{parts.netloc.rpartition('@')[2]}").geturl()
    with warehouse.connect(warehouse_url, autocommit=True) as owner:
        roles.ensure(owner)
        ensure_login(warehouse_url, url)
        database = owner.info.dbname
        yield url
        for role in (name, *(f"{database}_{role}" for role in ("reader", "marketer", "pipeline", "public"))):
            owner.execute(sql.SQL("drop owned by {} cascade").format(sql.Identifier(role)))
            owner.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


@pytest.fixture
def public_url(login: str, warehouse_url: str) -> str:
    """The log-in of the public pages to a warehouse that knows Anna, who gets news and offers."""
    with warehouse.connect(warehouse_url, autocommit=True) as owner:
        KEY.verify(owner)
        owner.execute("create table marts.customers (customer_id text, email text)")
        owner.execute(
            """
            create table marts.consents (
                email text, channel text, topic text, is_granted boolean, confirmed_at timestamptz,
                withdrawn_at timestamptz
            )
            """
        )
        owner.execute(
            "insert into activation.recipients values (%s, %s, 'anna@mail.example')",
            [KEY.key_of("anna@mail.example"), KEY.key_id],
        )
        for topic, channel in (("news", "email"), ("offers", "email"), ("sms", "sms")):
            owner.execute(
                "insert into marts.consents values ('anna@mail.example', %s, %s, true, null, null)",
                [channel, topic],
            )
    return login


@pytest.fixture
def public(public_url: str, warehouse_url: str) -> Iterator[Public]:
    """The application, with a key for SendGrid's events."""
    with (
        running(site(PUBLIC_KEY), public_url) as client,
        warehouse.connect(warehouse_url, autocommit=True) as owner,
    ):
        yield Public(client, owner, public_url)


@pytest.fixture
def keyless(public_url: str) -> Iterator[httpx.Client]:
    """The application without such a key."""
    with running(site(), public_url) as client:
        yield client


@pytest.fixture
def broken(public_url: str) -> Iterator[httpx.Client]:
    """The application whose database is gone."""
    gone = urlsplit(public_url)._replace(path="/gone").geturl()
    with running(site(PUBLIC_KEY), gone) as client:
        yield client
