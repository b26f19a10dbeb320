"""Writes: only from forms that we sent to the same person, in a page of our own."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request, status
from itsdangerous import BadSignature, URLSafeTimedSerializer

from rapport.web.access import visitor
from rapport.web.visitors import Visitor

READS = ("GET", "HEAD", "OPTIONS")
FIELD = "form_token"
HEADER = "X-Form-Token"
GOOD_FOR_SECONDS = 24 * 3600


class FormTokens:
    """Signed with Airflow's own secret, so that each API server takes what another one gave out."""

    def __init__(self, secret: str) -> None:
        self._signer = URLSafeTimedSerializer(secret, salt="rapport-form")

    def give(self, name: str) -> str:
        """The token for the forms of the person with this name."""
        return str(self._signer.dumps(name))

    def is_of(self, name: str, token: str) -> bool:
        """Whether we gave this token to this person in the last day."""
        try:
            return bool(self._signer.loads(token, max_age=GOOD_FOR_SECONDS) == name)
        except BadSignature:
            return False


async def our_own_form(request: Request, who: Annotated[Visitor, Depends(visitor)]) -> None:
    """Refuse a write that another site's page makes a browser send, and one without our token."""
    if request.method in READS:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "this form belongs to another site")
    token = request.headers.get(HEADER) or str((await request.form()).get(FIELD, ""))
    if not request.app.state.form_tokens.is_of(who.name, token):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, "this form is more than a day old or not yours: load the page again"
        )
