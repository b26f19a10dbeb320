"""What may stand under `read.rest`: dlt's configuration of a REST source, and what Rapport adds."""

from typing import Annotated, Any

from pydantic import Field

from rapport.sources.database_keys import OverlapText
from rapport.sources.strict import Strict

Whole = Annotated[int, Field(ge=1)]


class RestCursor(Strict):
    """Asks for what is new: `{cursor}` in a resource's params, path or json is where a reading begins."""

    field: str = Field(
        min_length=1,
        description="The value in each record that says when it was changed, such as updated_at.",
    )
    start: str = Field(default="2000-01-01T00:00:00Z", description="Where the first reading begins.")
    overlap: OverlapText | None = Field(
        default=None, description="How far before its end the next reading begins; default 15m."
    )
    format: str = Field(
        default="iso",
        description="How the API writes the moment it is asked for: iso, unix_seconds, unix_milliseconds, or "
        "strptime's letters.",
    )
    restart_after: Whole | None = Field(
        default=None,
        description="The API gives no more records to one question than this; the next begins at the last. "
        "It must give them in the order of the cursor.",
    )


class Rest(Strict):
    """`client`, `resources` and `resource_defaults` are dlt's own; `{connection.password}` and the like in
    them are filled in when the API is asked."""

    connection: str | None = Field(default=None, min_length=1, description="The id of an Airflow connection.")
    client: dict[str, Any] = Field(description="dlt's client: base_url, auth, paginator, headers.")
    resource_defaults: dict[str, Any] = Field(default_factory=dict, description="dlt's resource_defaults.")
    resources: list[dict[str, Any]] = Field(min_length=1, description="dlt's resources, each with its name.")
    resource: str | None = Field(
        default=None,
        description="The resource that this feed reads; may be left out where there is one only.",
    )
    cursor: RestCursor | None = None
    requests_per_minute: Whole | None = Field(default=None, description="Never ask more often than this.")
    attempts: Whole = Field(
        default=5, description="How often a request is tried that is answered by 429 or 5xx, or not at all."
    )
    longest_wait: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}[smh]$")] = Field(
        default="5m", description="The longest wait between two tries, whatever Retry-After asks for."
    )

    @property
    def name(self) -> str:
        """The resource that is read."""
        return self.resource or str(self.resources[0].get("name"))
