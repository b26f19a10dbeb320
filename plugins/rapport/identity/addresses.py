"""Which spellings of an e-mail address are one mailbox."""

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc
from email_validator import EmailNotValidError, validate_email

from rapport.identity.configuration import Folding
from rapport.identity.observations import TEXT

# Beside plain ASCII an address may say the same in two ways: an international domain as letters or as xn--….
_IN_SEVERAL_WAYS = r"[^\x00-\x7f]|[@.]xn--"


def with_several_spellings(emails: pa.Array, folding: Mapping[str, Folding]) -> pa.Array:
    """Those of the addresses (lower case, distinct) that may be another's mailbox; few as a rule."""
    suspicious = pc.match_substring_regex(emails, _IN_SEVERAL_WAYS)
    for domain in folding:
        suspicious = pc.or_(suspicious, pc.ends_with(emails, f"@{domain}"))
    return emails.filter(suspicious)


def normal_forms(emails: Iterable[str], folding: Mapping[str, Folding]) -> pa.Table:
    """A row for each address: email, normal_form. Equal forms are one mailbox."""
    values = list(emails)
    forms = [normal_form(email, folding) for email in values]
    return pa.table({"email": pa.array(values, TEXT), "normal_form": pa.array(forms, TEXT)})


def normal_form(email: str, folding: Mapping[str, Folding]) -> str:
    """The address by email-validator's rules in lower case and folded; as it is where they refuse it."""
    try:
        checked = validate_email(
            email, check_deliverability=False, allow_quoted_local=True, test_environment=True
        )
    except EmailNotValidError:
        return email
    local, domain = checked.local_part.lower(), checked.domain.lower()
    rule = folding.get(domain) or folding.get(checked.ascii_domain.lower()) or Folding()
    if rule.plus_tags:
        local = re.sub(r"\+.*", "", local) or local
    if rule.dots:
        local = local.replace(".", "") or local
    return f"{local}@{domain}"
