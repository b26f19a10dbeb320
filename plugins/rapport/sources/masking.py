"""Values as they may be shown: enough to find the fault, too little to know the person."""

import pyarrow as pa
import pyarrow.compute as pc

PERSONAL = ("email", "phone", "first_name", "last_name", "postal_code", "birth_date")
LONGEST_SHOWN = 200  # characters

_ADDRESS = r"""([^\s@,;:<>"'])[^\s@,;:<>"']*@([^\s@.])[^\s@,;:<>"']*(\.[^\s@.,;:<>"']+)"""
_ANY_ADDRESS = r"""([^\s@,;:<>"'])[^\s@,;:<>"']*@[^\s@,;:<>"']*"""
_PHONE = r"(\+|\b00)([0-9])[0-9 ()/.-]{5,}[0-9]"


def masked(values: pa.StringArray, *, is_personal: bool) -> pa.StringArray:
    """Addresses as a***@d***.com and phone numbers as +4***, wherever they stand; null stays null.

    Of a personal value that is neither, the first letter is shown. The rest is cut at 200 characters.
    """
    shown = pc.replace_substring_regex(values, _ADDRESS, r"\1***@\2***\3")
    shown = pc.if_else(
        pc.equal(shown, values), pc.replace_substring_regex(values, _ANY_ADDRESS, r"\1***@***"), shown
    )
    shown = pc.replace_substring_regex(shown, _PHONE, r"\1\2***")
    if is_personal:
        first = pc.binary_join_element_wise(pc.utf8_slice_codeunits(values, 0, 1), "***", "")
        shown = pc.if_else(
            pc.match_substring_regex(shown, r"^[^\s@]\*\*\*@[^\s@]\*\*\*[^\s@]*$|^(\+|00)[0-9]\*\*\*$"),
            shown,
            first,
        )
    return pc.utf8_slice_codeunits(shown, 0, LONGEST_SHOWN)
