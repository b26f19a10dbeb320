"""Any mail server, over one kept connection."""

import smtplib
import ssl
from collections.abc import Sequence
from uuid import UUID

from rapport.delivery.configuration import Smtp
from rapport.delivery.faults import RenderError
from rapport.delivery.mime import Mail, mime_bytes
from rapport.delivery.transports import UNTRUSTED, WITHHELD, Answer, MayLeave, Request, always, soon
from rapport.errors import ConfigurationError
from rapport.settings import Settings

SECONDS = 60.0  # of each command


class SmtpServer:
    """A mail is handed over once the server has said 250 to all of it; before its last line left, none is."""

    name = "smtp"
    is_idempotent = False
    has_events = False
    shapes = False
    chunk = 100
    in_flight = 1

    def __init__(self, options: Smtp, settings: Settings) -> None:
        if options.security == "none" and options.host not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigurationError(
                f"config/delivery.yml: smtp.security: none is for 127.0.0.1 alone, not for {options.host}; "
                "write starttls or tls"
            )
        if (settings.smtp_user is None) != (settings.smtp_password is None):
            raise ConfigurationError(
                "RAPPORT_SMTP_USER and RAPPORT_SMTP_PASSWORD belong together; only one of them is set"
            )
        self._options = options
        self._log_in = (settings.smtp_user, settings.smtp_password)
        self._server: smtplib.SMTP | None = None

    def parcels(self, mails: Sequence[Mail]) -> list[list[Mail]]:
        return [[mail] for mail in mails]

    def request(self, parcel: Sequence[Mail], attempt_id: int) -> Request:
        return Request([mail.message_id for mail in parcel], list(parcel))

    def hand_over(self, request: Request, may_leave: MayLeave = always) -> Answer:
        assert isinstance(request.body, list)
        (mail,) = request.body
        try:
            content = mime_bytes(mail)
        except RenderError:
            return Answer("accepted", faulty=[0])
        try:
            server = self._connected()
        except smtplib.SMTPAuthenticationError as error:
            return Answer("returned", status=error.smtp_code, hold=f"{error.smtp_code} the log-in is refused")
        except ssl.SSLCertVerificationError:
            self.close()
            return UNTRUSTED
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            return Answer("wait", until=soon(), detail=f"no connection: {type(error).__name__}")
        return self._deliver(server, mail, content, may_leave)

    def holds(self, message_id: UUID) -> bool:
        return False

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            try:
                server.quit()
            except (smtplib.SMTPException, OSError):
                server.close()

    def _deliver(self, server: smtplib.SMTP, mail: Mail, content: bytes, may_leave: MayLeave) -> Answer:
        try:
            code, _ = server.mail(mail.sender.address)
            if code != 250:
                return self._refused(code, hold=f"{code} the sender {mail.sender.address} is refused")
            code, _ = server.rcpt(mail.recipient)
            if code not in (250, 251):
                return self._refused(code, hold=None)
            code, _ = server.docmd("DATA")
            if code != 354:
                return self._refused(code, hold=f"{code} the server takes no mail")
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            return Answer("returned", detail=f"cut off before the mail: {type(error).__name__}")
        if not may_leave():
            self._drop()
            return WITHHELD
        try:
            server.send(_dotted(content))
            code, _ = server.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            return Answer("uncertain", detail=f"no answer: {type(error).__name__}")
        if code == 250:
            return Answer("accepted", status=code)
        return self._refused(code, hold=None)

    def _drop(self) -> None:
        """Hang up within a mail, which the server then throws away; QUIT it would read as text."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _refused(self, code: int, *, hold: str | None) -> Answer:
        """5yz is for good: with `hold` for all, else for this mail. 4yz is for now."""
        self.close()
        if code >= 500 and hold is None:
            return Answer("rejected", rejected=[0], status=code)
        return Answer("returned", status=code, hold=hold if code >= 500 else None, detail=f"refused: {code}")

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            try:
                if self._server.rset()[0] == 250:
                    return self._server
            except (smtplib.SMTPException, OSError):
                pass
            self.close()
        options = self._options
        context = ssl.create_default_context()
        if options.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                options.host, options.port, timeout=SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(options.host, options.port, timeout=SECONDS)
        self._server = server
        if options.security == "starttls":
            server.starttls(context=context)
        server.ehlo_or_helo_if_needed()
        user, password = self._log_in
        if user is not None and password is not None:
            server.login(user, password)
        return server


def _dotted(content: bytes) -> bytes:
    """The mail as DATA takes it: CRLF, dots at the beginning of lines doubled, and the end."""
    text = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
    if text.startswith(b"."):
        text = b"." + text
    return text + (b"" if text.endswith(b"\r\n") else b"\r\n") + b".\r\n"
