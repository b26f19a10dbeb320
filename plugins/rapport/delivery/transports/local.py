"""The local mailbox: a Maildir that any mail reader opens. A mail's file is named by its message id."""

import os
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from rapport.delivery.faults import RenderError
from rapport.delivery.mime import Mail, mime_bytes
from rapport.warehouse import disk_errors_named


class LocalMailbox:
    """Writes each mail to tmp/, then renames it into new/: a mail is there whole or not at all."""

    name = "local"
    is_idempotent = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with disk_errors_named("the local mailbox"):
            for part in ("tmp", "new", "cur"):
                (folder / part).mkdir(parents=True, exist_ok=True)
        # A mail reader moves what was seen to cur/ and appends `:2,` and flags to its name.
        self._read = {name.partition(":")[0] for name in os.listdir(folder / "cur")}

    def holds(self, message_id: UUID) -> bool:
        return str(message_id) in self._read or (self._folder / "new" / str(message_id)).exists()

    def send(self, mails: Sequence[Mail]) -> list[UUID]:
        faulty = []
        with disk_errors_named("the local mailbox"):
            for mail in mails:
                if self.holds(mail.message_id):
                    continue
                try:
                    self._write(str(mail.message_id), mime_bytes(mail))
                except RenderError:
                    faulty.append(mail.message_id)
            self._keep_names()
        return faulty

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
