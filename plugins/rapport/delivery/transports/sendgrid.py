"""SendGrid's POST /v3/mail/send, and what its answers mean.

There is no key by which SendGrid would know a request again, so only an answer that SendGrid itself wrote
says that nothing was accepted: one with its `errors`. Whatever else comes, or nothing, leaves it open.
"""

import re
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import urllib3

from rapport.delivery.configuration import SendGrid
from rapport.delivery.mime import Mail
from rapport.delivery.transports import UNTRUSTED, WITHHELD, Answer, MayLeave, Request, always, soon
from rapport.delivery.transports.sendgrid_client import PooledResponse, SendGridClient, Withheld
from rapport.delivery.transports.sendgrid_request import body, parcels
from rapport.errors import ConfigurationError
from rapport.settings import Settings

LONGEST_WAIT = timedelta(hours=1)
_ADDRESS = re.compile(r"\S+@\S+")
_NAMED = re.compile(r"personalizations[.\[](\d+)\b")
# A mistake in these is one of every request of the campaign.
_OF_ALL = re.compile(r"(from|reply_to|content|subject|mail_settings|tracking_settings|headers|template_id)\b")


class SendGridTransport:
    """Requests over kept connections, several at once."""

    name = "sendgrid"
    is_idempotent = False
    has_events = True

    def __init__(self, options: SendGrid, settings: Settings) -> None:
        if not settings.sendgrid_api_key:
            raise ConfigurationError(
                "config/delivery.yml: transport: sendgrid needs its key in SENDGRID_API_KEY"
            )
        self.shapes = options.render == "shape"
        self.chunk = 2_000 if self.shapes else 250
        self.in_flight = 4 if self.shapes else 32
        self._client = SendGridClient(options.host, settings.sendgrid_api_key, connections=self.in_flight)

    def parcels(self, mails: Sequence[Mail]) -> list[list[Mail]]:
        return parcels(mails)

    def request(self, parcel: Sequence[Mail], attempt_id: int) -> Request:
        return Request([mail.message_id for mail in parcel], body(parcel, attempt_id))

    def hand_over(self, request: Request, may_leave: MayLeave = always) -> Answer:
        assert isinstance(request.body, bytes)
        try:
            response = self._client.send("POST", "/v3/mail/send", request.body, may_leave=may_leave)
        except Withheld:
            return WITHHELD
        except (
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.ConnectTimeoutError,
            urllib3.exceptions.ProxyError,
        ) as error:
            # Nothing was written to anybody.
            return Answer("wait", until=soon(), detail=f"no connection: {type(error).__name__}")
        except urllib3.exceptions.SSLError as error:
            if not isinstance(error.args[0], ssl.SSLCertVerificationError):
                return Answer("uncertain", detail="no answer: the encryption failed")
            return UNTRUSTED
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Answer("uncertain", detail=f"no answer: {type(error).__name__}")
        return answer_of(response, len(request.message_ids), datetime.now(UTC))

    def holds(self, message_id: UUID) -> bool:
        return False

    def close(self) -> None:
        self._client.close()


def answer_of(response: PooledResponse, mails: int, now: datetime) -> Answer:
    """What an answer of mail/send says about a request of so many mails."""
    status, errors = response.status, _errors(response)
    if status == 202:
        return Answer("accepted", status=status, provider_id=response.headers.get("X-Message-Id"))
    if errors is None or not 400 <= status < 500:
        return Answer("uncertain", status=status, detail=f"{status}, which says nothing of the mails")
    detail = "; ".join(_described(error) for error in errors)[:500]
    hold = f"{status} {detail}"
    if status == 429:
        return Answer("wait", status=status, until=_reset(response, now), detail=detail)
    if status == 413:
        return Answer("divide", status=status, detail=detail)
    if status != 400:
        return Answer("returned", status=status, hold=hold, detail=detail)
    named = sorted({int(found[1]) for error in errors if (found := _NAMED.match(_field(error)))})
    if named and named[-1] < mails:
        return Answer("rejected", rejected=named, status=status, detail=detail)
    if any(_OF_ALL.match(_field(error)) for error in errors):
        return Answer("returned", status=status, hold=hold, detail=detail)
    return Answer("divide", status=status, hold=hold, detail=detail)


def _errors(response: PooledResponse) -> list[dict[str, Any]] | None:
    """SendGrid's own account of what is wrong; None where something else answered."""
    try:
        content = orjson.loads(response.read())
    except orjson.JSONDecodeError:
        return None
    errors = content.get("errors") if isinstance(content, dict) else None
    if not isinstance(errors, list) or not errors or not all(isinstance(error, dict) for error in errors):
        return None
    return errors


def _field(error: dict[str, Any]) -> str:
    return str(error.get("field") or "")


def _described(error: dict[str, Any]) -> str:
    words = f"{_field(error)}: {error.get('message') or ''}" if error.get("field") else error.get("message")
    return _ADDRESS.sub("…", str(words or ""))


def _reset(response: PooledResponse, now: datetime) -> datetime:
    """When SendGrid takes requests again; a minute from now where it does not say."""
    said = response.headers.get("X-RateLimit-Reset") or ""
    until = datetime.fromtimestamp(int(said), UTC) if said.isdecimal() and len(said) < 12 else None
    after = response.headers.get("Retry-After") or ""
    if until is None and after.isdecimal() and len(after) < 6:
        until = now + timedelta(seconds=int(after))
    return min(max(until or now + timedelta(minutes=1), now + timedelta(seconds=1)), now + LONGEST_WAIT)
