"""What recipients see: one page in a few states. Works without scripts, loads nothing, keeps nothing."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastapi import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rapport.delivery.configuration import Sender, Topic

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Pages:
    """The pages of a sender; `topics` says what its topics are called."""

    sender: Sender
    topics: dict[str, Topic]

    def confirm(self, topic: str, address: str | None, others: list[str], *, is_wanted: bool) -> Response:
        """What following the link shows: nothing has changed yet."""
        return self._page(
            "confirm.html",
            200,
            topic=None if topic == "all" else self.title(topic),
            address=address,
            others=[(name, self.title(name)) for name in others],
            is_wanted=is_wanted,
        )

    def done(self, stopped: list[str], address: str | None, others: list[str]) -> Response:
        """After a withdrawal that is committed."""
        return self._page(
            "done.html",
            200,
            stopped=[] if "all" in stopped else [self.title(name) for name in stopped],
            is_all="all" in stopped,
            address=address,
            others=[(name, self.title(name)) for name in others],
        )

    def no_such_link(self) -> Response:
        """Of a token that is not ours."""
        return self._page("no_such_link.html", 404)

    def too_many(self) -> Response:
        """Of many tokens that are not ours."""
        response = self._page("too_many.html", 429)
        response.headers["Retry-After"] = "60"
        return response

    def unavailable(self) -> Response:
        """Nothing could be changed now."""
        response = self._page("unavailable.html", 503)
        response.headers["Retry-After"] = "60"
        return response

    def title(self, topic: str) -> str:
        """What people call the topic."""
        named = self.topics.get(topic)
        return (named and named.title) or topic.replace("_", " ").capitalize()

    def _page(self, template: str, status: int, **values: object) -> Response:
        content = self._environment.get_template(template).render(sender=self.sender, **values)
        return Response(content, status, dict(self._headers), "text/html; charset=utf-8")

    @cached_property
    def _environment(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        environment.globals["style"] = self._style
        return environment

    @cached_property
    def _style(self) -> str:
        return (TEMPLATES / "style.css").read_text(encoding="utf-8")

    @cached_property
    def _headers(self) -> dict[str, str]:
        style = b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        return {
            # No script, no picture, no font; forms go nowhere but back here.
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; "
                "frame-ancestors 'none'"
            ),
            "Cache-Control": "no-store",
            "X-Robots-Tag": "noindex, nofollow",
        }
