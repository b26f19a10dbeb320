"""Pages that go on until an answer says that they end, for APIs that name a next page on the last one too."""

from collections.abc import Callable
from typing import Any

from requests import Response

from rapport.sources.dlt_library import JSONLinkPaginator, JSONResponseCursorPaginator, jsonpath


class CursorUntil(JSONResponseCursorPaginator):
    """dlt's `cursor`, which ends where the value at `end_path` is true."""

    def __init__(self, *, end_path: str, **keys: Any) -> None:
        super().__init__(**keys)
        self.end_path = jsonpath.compile_path(end_path)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._has_next_page = self._has_next_page and not _is_end(self.end_path, response)


class JSONLinkUntil(JSONLinkPaginator):
    """dlt's `json_link`, which ends where the value at `end_path` is true."""

    def __init__(self, *, end_path: str, **keys: Any) -> None:
        super().__init__(**keys)
        self.end_path = jsonpath.compile_path(end_path)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._has_next_page = self._has_next_page and not _is_end(self.end_path, response)


UNTIL: dict[str, Callable[..., Any]] = {"cursor_until": CursorUntil, "json_link_until": JSONLinkUntil}


def _is_end(path: Any, response: Response) -> bool:
    return any(value is True for value in jsonpath.find_values(path, response.json()))
