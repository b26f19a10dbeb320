"""Typeform's and SurveyMonkey's responses."""

from datetime import UTC, datetime

from fake_api import Answer, Asked, FakeApi, Record, expect, iso, minute

SURVEYS = {"111": "nps", "222": "csat", "333": "ces"}
SCORES = {"nps": 9, "csat": 4, "ces": 6}


class Typeform(FakeApi):
    """Newest first; the next page is the one before the last token, and only an empty page is the end."""

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        answers = [
            {
                "field": {"id": "x1", "type": "opinion_scale", "ref": resource},
                "type": "number",
                "number": SCORES[resource],
            },
            {"field": {"id": "x2", "type": "long_text", "ref": "why"}, "type": "text", "text": "Because"},
        ]
        return {
            "landing_id": f"{resource}{number}",
            "token": f"{resource}{number}",
            "response_id": f"{resource}{number}",
            "landed_at": iso(minute(number)),
            "submitted_at": iso(minute(number)),
            "hidden": {
                "email": f"{number}@home.example",
                "customer": str(number),
                "order": "1",
                "ticket": "1",
            },
            "answers": answers,
        }

    def answer(self, asked: Asked) -> Answer:
        expect(asked.headers.get("Authorization") == f"Bearer {self.secret}", "no token", 401)
        resource = asked.path.removeprefix("/forms/").removesuffix("FORM/responses").lower()
        expect(asked.method == "GET" and resource in self.records, "no such form", 404)
        expect(int(asked.query.get("page_size", 25)) <= 1000, "page_size may be 1000 at most")
        expect("sort" not in asked.query or "before" not in asked.query, "before and sort exclude each other")
        since = datetime.strptime(asked.query["since"], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        chosen = [r for r in self.records[resource] if r["submitted_at"] >= iso(since)]
        chosen.sort(key=lambda record: record["submitted_at"], reverse=True)
        tokens = [record["token"] for record in chosen]
        start = tokens.index(asked.query["before"]) + 1 if "before" in asked.query else 0
        found = chosen[start : start + self.page_size]
        if self.repeats and start and found:
            found = [chosen[start - 1], *found]
        return Answer({"total_items": len(chosen), "page_count": 1, "items": found})


class SurveyMonkey(FakeApi):
    """Numbered pages, the next one linked in the answer."""

    page_size = 100

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        survey = {name: number for number, name in SURVEYS.items()}[resource]
        weight = {"weight": str(SCORES[resource])}
        answer = {"choice_id": "5", "row_id": "6", "choice_metadata": weight, "simple_text": weight["weight"]}
        questions = [
            {"id": f"{survey}1", "answers": [answer]},
            {"id": f"{survey}2", "answers": [{"text": "Because", "simple_text": "Because"}]},
        ]
        return {
            "id": f"{survey}{number}",
            "response_status": "completed",
            "date_created": iso(minute(number)).replace("Z", "+00:00"),
            "date_modified": iso(moment).replace("Z", "+00:00"),
            "email_address": f"{number}@home.example",
            "custom_variables": {"customer": str(number), "order": "1", "ticket": "1"},
            "pages": [{"id": "1", "questions": questions}],
        }

    def answer(self, asked: Asked) -> Answer:
        expect(asked.headers.get("Authorization") == f"Bearer {self.secret}", "no token", 401)
        survey = asked.path.removeprefix("/v3/surveys/").removesuffix("/responses/bulk")
        expect(asked.method == "GET" and SURVEYS.get(survey) in self.records, "no such survey", 404)
        expect(int(asked.query.get("per_page", 50)) <= 100, "per_page may be 100 at most")
        expect(asked.query.get("simple") == "true", "nothing says what a choice is worth")
        expect(asked.query.get("status") == "completed", "answers that are not complete would come too")
        expect(asked.query.get("sort_by") == "date_modified", "pages must follow the order of changes")
        since = asked.query["start_modified_at"] + "+00:00"
        chosen = [r for r in self.records[SURVEYS[survey]] if r["date_modified"] >= since]
        chosen.sort(key=lambda r: r["date_modified"], reverse=asked.query.get("sort_order") != "ASC")
        number = int(asked.query.get("page", 1))
        start = (abs(number) - 1) * 100
        found, following = self.page(chosen, -start if number < 0 else start)
        links = {"self": f"{self.url}{asked.path}"}
        if following is not None:
            page = (abs(following) // 100 + 1) * (-1 if following < 0 else 1)
            rest = "&".join(f"{name}={value}" for name, value in asked.query.items() if name != "page")
            links["next"] = f"{self.url}{asked.path}?{rest}&page={page}"
        return Answer({"data": found, "per_page": 100, "page": number, "total": len(chosen), "links": links})
