"""Times that people write."""

from datetime import UTC, datetime

from rapport.errors import ConfigurationError


def parse_moment(text: str) -> datetime:
    """`2026-07-01T06:00:00Z` as a UTC time; without a zone it is UTC.

    Raises:
        ConfigurationError: it is no ISO 8601 time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{text} is no time; it looks like 2026-07-01T06:00:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
