"""Phone numbers → E.164, with the help of the country that the row names."""

from functools import cache

import phonenumbers

_OTHER_NAMES = {
    "uk": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "usa": "US",
    "united states of america": "US", "eire": "IE", "holland": "NL", "the netherlands": "NL",
    "czech republic": "CZ", "turkey": "TR", "russia": "RU", "south korea": "KR",
    "uae": "AE", "channel islands": "JE",
}  # fmt: skip


def to_e164(number: str, country: str | None) -> str | None:
    """The number in E.164, or None where it can be none.

    `country` is an ISO code or an English name; a number that starts with + needs none. A number counts if
    its length is possible in its country: number plans change more often than this table of them.
    """
    try:
        parsed = phonenumbers.parse(number, region_of(country))
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def region_of(country: str | None) -> str | None:
    """The ISO code of a country given by code or English name; None where it is neither."""
    if country is None:
        return None
    name = country.strip()
    if name.upper() in phonenumbers.SUPPORTED_REGIONS:
        return name.upper()
    return _regions_by_name().get(name.casefold())


@cache
def _regions_by_name() -> dict[str, str]:
    from phonenumbers.geodata.locale import LOCALE_DATA

    def english(names: dict[str, str]) -> str:
        name = names["en"]
        return names[name[1:]] if name.startswith("*") else name  # "*aa": the same as in the language aa

    named = {english(names).casefold(): region for region, names in LOCALE_DATA.items() if "en" in names}
    return {**named, **_OTHER_NAMES}
