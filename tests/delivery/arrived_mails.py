"""The raw source of a mail as SendGrid would deliver it: signed, its links counted."""

import re
from email.message import EmailMessage
from email.policy import SMTP

from rapport.delivery.fake_sendgrid import ReceivedMail

SIGNATURE = (
    "v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\r\n"
    " h=content-type:from:subject:reply-to:list-unsubscribe:\r\n\tlist-unsubscribe-post:to:cc; bh=x; b=y"
)
COUNTED = "https://u1.ct.shop.example/ls/click?upn=u001.x-2B"


def source(mail: ReceivedMail) -> bytes:
    """The mail's bytes. Links are counted but those with `clicktracking="off"`."""
    assert mail.text is not None
    assert mail.html is not None
    message = EmailMessage(policy=SMTP.clone(max_line_length=900))
    message["From"] = f"{mail.sender['name']} <{mail.sender['email']}>"
    message["To"] = mail.email
    message["Reply-To"] = mail.reply_to[0]["email"]
    message["Subject"] = mail.subject
    for name, value in mail.headers.items():
        message[name] = value
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(_counted(mail.html), subtype="html", cte="quoted-printable")
    signature = SIGNATURE.format(domain=mail.sender["email"].rpartition("@")[2])
    return f"DKIM-Signature: {signature}\r\n".encode() + message.as_bytes()


def _counted(html: str) -> str:
    def link(found: re.Match[str]) -> str:
        if 'clicktracking="off"' in found[0]:
            return found[0].replace(' clicktracking="off"', "")
        return re.sub(r'href="https://[^"]*"', f'href="{COUNTED}"', found[0])

    return re.sub(r"<a [^>]*>", link, html)
