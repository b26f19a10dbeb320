"""The local mailbox: a Maildir that any mail reader opens. A mail's file is named by its message id."""

import os
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from rapport.delivery.faults import RenderError
from rapport.delivery.mime import Mail, mime_bytes
from rapport.delivery.transports import WITHHELD, Answer, MayLeave, Request, always
from rapport.warehouse import disk_errors_named


class LocalMailbox:
    """Writes each mail to tmp/, then renames it into new/: a mail is there whole or not at all."""

    name = "local"
    is_idempotent = True
    has_events = False
    shapes = False
    chunk = 500
    in_flight = 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with disk_errors_named("the local mailbox"):
            for part in ("tmp", "new", "cur"):
                (folder / part).mkdir(parents=True, exist_ok=True)
        # A mail reader moves what was seen to cur/ and appends `:2,` and flags to its name.
        self._read = {name.partition(":")[0] for name in os.listdir(folder / "cur")}

    def parcels(self, mails: Sequence[Mail]) -> list[list[Mail]]:
        return [list(mails)] if mails else []

    def request(self, parcel: Sequence[Mail], attempt_id: int) -> Request:
        return Request([mail.message_id for mail in parcel], list(parcel))

    def hand_over(self, request: Request, may_leave: MayLeave = always) -> Answer:
        """Write the mails. Raises DiskFull; those that were written by then are there."""
        assert isinstance(request.body, list)
        if not may_leave():
            return WITHHELD
        faulty = []
        with disk_errors_named("the local mailbox"):
            for place, mail in enumerate(request.body):
                if self.holds(mail.message_id):
                    continue
                try:
                    self._write(str(mail.message_id), mime_bytes(mail))
                except RenderError:
                    faulty.append(place)
            self._keep_names()
        return Answer("accepted", faulty=faulty)

    def holds(self, message_id: UUID) -> bool:
        return str(message_id) in self._read or (self._folder / "new" / str(message_id)).exists()

    def close(self) -> None:
        pass

    def _write(self, name: str, content: bytes) -> None:
        draft = self._folder / "tmp" / name
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._folder / "new" / name)

    def _keep_names(self) -> None:
        new = os.open(self._folder / "new", os.O_RDONLY)
        try:
            os.fsync(new)
        finally:
            os.close(new)
