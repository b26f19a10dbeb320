"""The pages that only operators see."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from rapport.delivery.configuration import Delivery, Sender, read_delivery, read_sender
from rapport.delivery.doctor import last_findings
from rapport.delivery.proof import asks_for_shape
from rapport.digest.configuration import Digest, read_digest
from rapport.errors import ConfigurationError
from rapport.settings import Settings
from rapport.web.access import Operator
from rapport.web.database import figures
from rapport.web.pages.settings import health
from rapport.web.pages.settings.keys import keys
from rapport.web.pages.settings.looks import looks
from rapport.web.rendering import page

router = APIRouter(prefix="/settings")
NEWEST = 8

TRANSPORTS = {
    "local": "Nothing leaves this machine: mails are written to the mailbox under RAPPORT_HOME.",
    "smtp": "Mails leave through a mail server, which tells nothing of what becomes of them.",
    "sendgrid": "Mails leave through SendGrid, whose signed events tell what becomes of them.",
}
# Who sees and does what, by what Airflow lets them do.
ROLES = (
    (
        "viewer",
        "anybody with a log-in",
        "Today, and figures of campaigns, segments, service and revenue. The database masks personal data. "
        "Cannot find out whether an address is known.",
    ),
    (
        "marketer",
        "who may change DAGs: Airflow's User, and above",
        "Customers and their data, previews, approvals, pauses, downloads, the segment builder. "
        "Airflow lets them start and pause DAGs, too.",
    ),
    (
        "operator",
        "who may change connections: Airflow's Op and Admin",
        "All that, this page, and the ways into Airflow's task logs.",
    ),
)


@router.get("")
def settings_page(request: Request, who: Operator) -> HTMLResponse:
    """How mails leave, whether that is in order, and who looked at whom lately."""
    settings = request.app.state.settings
    delivery, sender, digest, mistakes = _configured(settings)
    with figures(settings) as connection:
        return page(
            request,
            "settings/settings.html",
            who=who,
            delivery=delivery,
            transport=TRANSPORTS[delivery.transport] if delivery else "",
            asks_for_shape=delivery is not None and asks_for_shape(delivery),
            sender=sender,
            digest=digest,
            mistakes=mistakes,
            keys=keys(settings),
            checks=[health.Check(*found) for found in last_findings(connection)],
            probe=health.probe(connection),
            webhook=health.webhook(connection),
            pulls=health.pulls(connection),
            digests=health.digests(connection),
            roles=ROLES,
            looks=looks(connection, rows=NEWEST),
            stray_days=health.STRAY_DAYS,
        )


@router.get("/audit")
def audit_page(
    request: Request,
    who: Operator,
    by: str | None = None,
    subject: str | None = None,
    before: int | None = None,
) -> HTMLResponse:
    """All of the audit, or what one person did, or what was done to one customer or segment."""
    by, subject = (by or "").strip() or None, (subject or "").strip() or None
    with figures(request.app.state.settings) as connection:
        found = looks(connection, who=by, subject=subject, before=before)
    return page(
        request,
        "settings/audit.html",
        who=who,
        looks=found,
        by=by,
        subject=subject,
        is_later=before is not None,
    )


def _configured(settings: Settings) -> tuple[Delivery | None, Sender | None, Digest | None, list[str]]:
    """What the files say; of a file with a mistake what is wrong, in the last place."""
    mistakes: list[str] = []
    delivery = sender = digest = None
    try:
        delivery = read_delivery(settings)
    except ConfigurationError as error:
        mistakes.append(str(error))
    try:
        sender = read_sender(settings)
    except ConfigurationError as error:
        mistakes.append(str(error))
    try:
        digest = read_digest(settings)
    except ConfigurationError as error:
        mistakes.append(str(error))
    return delivery, sender, digest, mistakes
