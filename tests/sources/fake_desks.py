"""Zendesk's and Freshdesk's ticket APIs."""

import base64
from datetime import UTC, datetime

from fake_api import Answer, Asked, FakeApi, Record, expect, iso, minute


def basic(user: str, password: str) -> str:
    """The header that HTTP basic authentication wants."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def seconds(written: str) -> int:
    return int(datetime.fromisoformat(written).timestamp())


class Zendesk(FakeApi):
    """Incremental exports name a next page on the last one too; ratings have cursor pages."""

    def connection(self) -> Record:
        return {**super().connection(), "login": "ada@desk.example/token"}

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        at = {"created_at": iso(minute(number)), "updated_at": iso(moment)}
        match resource:
            case "tickets":
                return {
                    "id": number,
                    **at,
                    "generated_timestamp": seconds(iso(moment)),
                    "status": ["new", "open", "hold", "deleted"][number % 4],
                    "subject": "It broke",
                    "via": {"channel": "email", "source": {"from": {}, "to": {}, "rel": None}},
                    "priority": None,
                    "type": "problem",
                    "assignee_id": None,
                    "group_id": 5,
                    "requester_id": 900 + number,
                    "satisfaction_rating": {"score": "unoffered"},
                }
            case "ticket_events":
                comment = {
                    "id": 100 + number,
                    "type": "Comment",
                    "event_type": "Comment",
                    "author_id": 7,
                    "body": "Hello",
                    "public": True,
                }
                change = {
                    "id": 500 + number,
                    "event_type": "Change",
                    "status": "hold",
                    "previous_value": "open",
                }
                tags = {"id": 700 + number, "event_type": "Change", "tags": ["a"], "previous_value": None}
                return {
                    "id": number,
                    "ticket_id": number % 3,
                    "timestamp": seconds(iso(moment)),
                    "created_at": iso(moment),
                    "updater_id": 7,
                    "event_type": "Audit",
                    "child_events": [comment, change, tags],
                }
            case "satisfaction_ratings":
                rating = {"id": number, **at, "score": ["good", "bad"][number % 2], "comment": None}
                return {**rating, "ticket_id": number, "requester_id": 900 + number}
        return {
            "id": number,
            **at,
            "role": "end-user",
            "name": "Bob Norman",
            "email": f"{number}@home.example",
            "phone": None,
            "locale": "en-US",
            "iana_time_zone": "America/Los_Angeles",
            "organization_id": None,
            "active": True,
        }

    def answer(self, asked: Asked) -> Answer:
        allowed = basic("ada@desk.example/token", self.secret)
        expect(asked.headers.get("Authorization") == allowed, "no token", 401)
        resource = asked.path.removeprefix("/api/v2/").removeprefix("incremental/").partition(".")[0]
        resource = resource.removesuffix("/cursor")
        expect(asked.method == "GET" and resource in self.records, "no such resource", 404)
        if resource == "satisfaction_ratings":
            return self._ratings(asked)
        mark = asked.query.get("cursor") or asked.query.get("start_time", "")
        expect(mark.partition("-")[0].isdecimal(), "start_time is required, in seconds since 1970")
        expect(resource != "ticket_events" or asked.query.get("include") == "comment_events", "no comments")
        # A mark is the last record's time and id, so that what changes meanwhile comes again at the end; a
        # third part tells that the gap is behind.
        since, last, gap = (
            [int(part) for part in [*mark.split("-"), "-1", "0"][:3]]
            if "-" in mark
            else (
                int(mark),
                -1,
                0,
            )
        )
        ordered = sorted(self.records[resource], key=lambda record: (self._changed(record), record["id"]))
        before = [
            r for r in ordered if since <= self._changed(r) and (self._changed(r), r["id"]) <= (since, last)
        ]
        chosen = [r for r in ordered if (self._changed(r), r["id"]) > (since, last)]
        is_gap = self.has_gap and last >= 0 and not gap
        found = [] if is_gap else chosen[: self.page_size]
        is_end = not is_gap and len(chosen) <= self.page_size
        if found:
            since, last = self._changed(found[-1]), found[-1]["id"]
        mark = f"{since}-{last}-{int(is_gap or gap)}"
        if self.repeats and found:
            found = [*before[-1:], *found]
        page = {resource: found, "count": len(found), "end_of_stream": is_end}
        if resource == "ticket_events":
            url = f"{self.url}{asked.path}?include=comment_events&start_time={mark}"
            return Answer({**page, "next_page": url, "end_time": 0})
        url = f"{self.url}{asked.path}?cursor={mark}"
        return Answer({**page, "after_url": url, "after_cursor": mark, "before_url": None})

    def _changed(self, record: Record) -> int:
        for name in ("generated_timestamp", "timestamp"):
            if name in record:
                return int(record[name])
        return seconds(record["updated_at"])

    def _ratings(self, asked: Asked) -> Answer:
        expect(asked.query.get("score") == "received", "ratings that were only offered have no score")
        expect(int(asked.query.get("page[size]", 0)) == 100, "without page[size] there are no cursor pages")
        since = int(asked.query["start_time"])
        chosen = [r for r in self.records["satisfaction_ratings"] if seconds(r["created_at"]) >= since]
        found, following = self.page(chosen, int(asked.query.get("page[after]", 0)))
        more = following is not None
        link = f"{self.url}{asked.path}?page[after]={following}" if more else None
        return Answer(
            {
                "satisfaction_ratings": found,
                "meta": {"has_more": more, "after_cursor": str(following) if more else "end"},
                "links": {"next": link, "prev": None},
            }
        )


class Freshdesk(FakeApi):
    """A list as the whole answer; pages counted from the front, the next one linked in a header."""

    page_size = 100

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        return {
            "id": number,
            "created_at": iso(minute(number)),
            "updated_at": iso(moment),
            "status": 2 + number % 4,
            "priority": 1,
            "source": 1,
            "type": "Question",
            "subject": "It broke",
            "responder_id": None,
            "group_id": None,
            "requester_id": 900 + number,
            "requester": {
                "id": 900 + number,
                "name": "Bob",
                "email": f"{number}@home.example",
                "phone": None,
            },
            "stats": {"first_responded_at": None, "resolved_at": None},
        }

    def answer(self, asked: Asked) -> Answer:
        expect(asked.headers.get("Authorization") == basic(self.secret, "X"), "no key", 401)
        expect((asked.method, asked.path) == ("GET", "/api/v2/tickets"), "no such resource", 404)
        expect(int(asked.query.get("per_page", 30)) <= 100, "per_page may be 100 at most")
        expect("updated_since" in asked.query, "only the tickets of the last 30 days would come")
        expect(asked.query.get("include") == "requester,stats", "nothing says whose ticket it is")
        expect(asked.query.get("order_by") == "updated_at", "pages must follow the order of changes")
        number = int(asked.query.get("page", 1))
        expect(number <= 300, "You cannot access tickets beyond the 300th page")
        since = datetime.fromisoformat(asked.query["updated_since"]).astimezone(UTC)
        chosen = [r for r in self.records["tickets"] if r["updated_at"] >= iso(since)]
        chosen.sort(key=lambda r: r["updated_at"], reverse=asked.query.get("order_type") != "asc")
        start = (number - 1) * 100
        found, following = self.page(chosen, -start if "again" in asked.query else start, 100)
        headers = {}
        if following is not None:
            rest = "&".join(f"{k}={v}" for k, v in asked.query.items() if k not in ("page", "again"))
            again = "&again=1" if following < 0 else ""
            link = f"{self.url}{asked.path}?{rest}&page={abs(following) // 100 + 1}{again}"
            headers["Link"] = f'<{link}>; rel="next"'
        return Answer(found, headers=headers)
