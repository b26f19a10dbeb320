"""HubSpot's search and Salesforce's queries."""

import re
from datetime import UTC, datetime
from urllib.parse import quote

from fake_api import Answer, Asked, FakeApi, Record, expect, iso, minute

CHANGED = {"contacts": "lastmodifieddate"}
OBJECTS = {"Contact": "contacts", "Account": "accounts", "Opportunity": "opportunities"}


class HubSpot(FakeApi):
    """A search posts its question; the mark of the next page is an offset, and 10,000 is the end."""

    page_size = 200

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        milliseconds = iso(moment).replace("Z", ".250Z")
        properties = {CHANGED.get(resource, "hs_lastmodifieddate"): milliseconds, "phone": None}
        match resource:
            case "contacts":
                properties |= {"firstname": "Ada", "lastname": "Byron", "email": f"{number}@home.example"}
            case "companies":
                properties |= {"name": "Ada Ltd", "domain": "ada.example", "numberofemployees": "12"}
            case "deals":
                properties |= {
                    "dealname": "Engine",
                    "dealstage": ["closedwon", "closedlost", "presentationscheduled"][number % 3],
                    "amount": "1500.50",
                    "closedate": ["2026-06-30T12:00:00Z", "2026-06-30T12:00:00.123Z"][number % 2],
                    "createdate": iso(minute(number)),
                    "hs_primary_associated_company": "5",
                }
        return {
            "id": str(number),
            "properties": properties,
            "createdAt": iso(minute(number)),
            "updatedAt": milliseconds,
            "archived": False,
        }

    def answer(self, asked: Asked) -> Answer:
        expect(asked.headers.get("Authorization") == f"Bearer {self.secret}", "no token", 401)
        resource = asked.path.removeprefix("/crm/v3/objects/").removesuffix("/search")
        expect(asked.method == "POST" and resource in self.records, "no such resource", 404)
        expect(
            type(asked.body.get("limit")) is int and asked.body["limit"] <= 200, "limit: a number up to 200"
        )
        name = CHANGED.get(resource, "hs_lastmodifieddate")
        [[condition]] = [group["filters"] for group in asked.body["filterGroups"]]
        expect((condition["propertyName"], condition["operator"]) == (name, "GTE"), "no such filter")
        expect(
            asked.body["sorts"] == [{"propertyName": name, "direction": "ASCENDING"}], "pages need an order"
        )
        expect(name in asked.body["properties"], "the cursor is not among the properties")
        since = datetime.fromtimestamp(int(condition["value"]) / 1000, UTC)
        chosen = [
            record
            for record in self.records[resource]
            if datetime.fromisoformat(record["properties"][name]) >= since
        ]
        chosen.sort(key=lambda record: record["properties"][name])
        after = int(asked.body.get("after", 0))
        expect(abs(after) + asked.body["limit"] <= 10_000, "paging through more than 10,000 results")
        found, following = self.page(chosen, after)
        wanted = set(asked.body["properties"])
        results = [{**r, "properties": {name: r["properties"].get(name) for name in wanted}} for r in found]
        body: Record = {"total": len(chosen), "results": results}
        if following is not None:
            body["paging"] = {"next": {"after": str(following), "link": f"?after={following}"}}
        return Answer(body)


class Salesforce(FakeApi):
    """A token for client credentials, then a query and its further pages, each at a path of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.locators: dict[str, tuple[list[Record], int]] = {}

    def connection(self) -> Record:
        return {**super().connection(), "login": "client-key"}

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        stamp = iso(moment).replace("Z", ".000+0000")
        kind = {plural: name for name, plural in OBJECTS.items()}[resource]
        record: Record = {
            "attributes": {"type": kind, "url": f"/services/data/v62.0/sobjects/{kind}/{number:018}"},
            "Id": f"{number:018}",
            "IsDeleted": number == 1,
            "SystemModstamp": stamp,
        }
        match resource:
            case "contacts":
                record |= {"FirstName": "Ada", "LastName": "Byron", "Email": f"{number}@home.example"}
                record |= {"Birthdate": "1985-12-10" if number == 2 else None, "Title": None, "Phone": None}
                record |= {
                    "AccountId": "5",
                    "Account": {"attributes": {"type": "Account"}, "Name": "Ada Ltd"},
                }
                record |= {"MailingCountry": "GB", "MailingCity": "London", "MailingPostalCode": "W1"}
            case "accounts":
                record |= {"Name": "Ada Ltd", "Industry": None, "NumberOfEmployees": 12, "ParentId": None}
                record |= {
                    "Phone": None,
                    "BillingCountry": "GB",
                    "BillingCity": None,
                    "BillingPostalCode": None,
                }
            case _:
                record |= {
                    "StageName": ["Closed Won", "Closed Lost", "Prospecting"][number % 3],
                    "Amount": 1500.5,
                }
                record |= {"AccountId": "5", "Account": None, "ContactId": None, "CloseDate": "2026-06-30"}
                record |= {"CreatedDate": stamp, "Owner": {"attributes": {"type": "User"}, "Name": "Eve"}}
        return record

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/services/oauth2/token":
            given = {
                "client_id": "client-key",
                "client_secret": self.secret,
                "grant_type": "client_credentials",
            }
            expect(asked.method == "POST" and asked.body == given, "invalid client credentials", 401)
            return Answer({"access_token": "session-1", "instance_url": self.url, "token_type": "Bearer"})
        expect(asked.headers.get("Authorization") == "Bearer session-1", "no session", 401)
        data = "/services/data/v62.0/"
        if asked.path == f"{data}queryAll":
            chosen, start = self._query(asked.query["q"]), 0
        else:
            expect(not asked.query, "further pages take no parameters")
            chosen, start = self.locators[asked.path]
        found, following = self.page(chosen, start)
        body: Record = {"totalSize": len(chosen), "done": following is None, "records": found}
        if following is not None:
            path = f"{data}query/01g{len(self.locators)}-{quote(str(following))}"
            self.locators[path] = (chosen, following)
            body["nextRecordsUrl"] = path
        return Answer(body)

    def _query(self, written: str) -> list[Record]:
        match = re.fullmatch(
            r"SELECT (.+) FROM (\w+) WHERE SystemModstamp >= (\S+Z) ORDER BY SystemModstamp", written
        )
        expect(match is not None, "MALFORMED_QUERY")
        assert match is not None
        names, kind, since = match.groups()
        fields = {name.strip().partition(".")[0] for name in names.split(",")}
        moment = datetime.fromisoformat(since)
        chosen = [
            {name: record.get(name) for name in ("attributes", *fields)}
            for record in self.records[OBJECTS[kind]]
            if datetime.fromisoformat(record["SystemModstamp"]) >= moment
        ]
        return sorted(chosen, key=lambda record: record["SystemModstamp"])
