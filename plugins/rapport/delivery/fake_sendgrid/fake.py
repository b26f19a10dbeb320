"""The fake itself: plays faults over the API's answers, and writes everything down before it answers."""

import re
import time
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from rapport.delivery.fake_sendgrid.api import Api, Reply
from rapport.delivery.fake_sendgrid.emission import emission_of
from rapport.delivery.fake_sendgrid.event_desk import EventDesk, Rehearsal
from rapport.delivery.fake_sendgrid.faults import Fault, Faults, answer_of
from rapport.delivery.fake_sendgrid.http_server import Answer, Request, json_answer
from rapport.delivery.fake_sendgrid.log import Asked, Log, accepted_of, asked_of, lines
from rapport.delivery.fake_sendgrid.mail_send import addresses
from rapport.delivery.fake_sendgrid.mistakes import Mistake, refusal
from rapport.delivery.fake_sendgrid.signing import SigningKey
from rapport.delivery.fake_sendgrid.suppressions import Suppressions
from rapport.delivery.fake_sendgrid.tally import Counter

CONTROL = "/_fake/"


@dataclass(frozen=True)
class Options:
    """`key`: the API key that is let in, None: any. `openapi`: SendGrid's document of mail/send, None: only
    the rules of this package. `keeps_bodies`: the log holds each accepted mail. `per_minute`: requests, None:
    no limit. `signing_key`: the file of the events' key, None: beside the log."""

    log: Path
    key: str | None = None
    openapi: Path | None = None
    seed: int = 1
    is_durable: bool = False
    keeps_bodies: bool = True
    per_minute: int | None = None
    signing_key: Path | None = None
    rehearsal: Rehearsal | None = None


class Fake:
    """Answers requests; one at a time, so that its log is in their order."""

    def __init__(self, options: Options) -> None:
        """Goes on where the log ends.

        Raises:
            ConfigurationError: the OpenAPI document is none.
        """
        self._options = options
        self._faults = Faults(options.seed)
        key_file = options.log.with_name(f"{options.log.name}.key")
        self._key = SigningKey(options.signing_key if options.signing_key is not None else key_file)
        self._log = Log(options.log, options.is_durable)
        self._counter = Counter()
        self._suppressions = Suppressions(lambda change: self._log.note("suppressed", change))
        self._api = Api(options.key, options.openapi, options.per_minute, self._suppressions)
        self._events = EventDesk(
            self._key,
            options.log,
            lambda posted: self._log.note("posted", posted),
            self._suppressions,
            options.rehearsal,
            options.seed,
        )
        self._recall()

    @property
    def public_key(self) -> str:
        """What proves the fake's events, as RAPPORT_WEBHOOK_KEYS takes it."""
        return self._key.public_key

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """SendGrid's answer, or the control endpoint's."""
        if request.path.startswith(CONTROL):
            return self._control(request)
        return self._play(request)

    def _clear(self) -> None:
        self._log.clear()
        self._counter = Counter()
        self._faults.replace([])
        self._suppressions.clear()
        self._api.set_answers({})
        self._events.forget()

    def _recall(self) -> None:
        ids: list[str] = []
        for line in lines(self._options.log):
            match line["kind"]:
                case "accepted":
                    accepted = accepted_of(line)
                    ids.append(accepted.message_id or accepted.email)
                case "asked" if ids:
                    self._counter.add(asked_of(line).size, ids)
                    ids = []
                case "suppressed":
                    self._suppressions.recall(line)

    def _play(self, request: Request) -> Answer:
        now = time.time()
        fault = self._faults.next(request.path, lambda: _addresses(request))
        if fault is not None and not (fault.after_accepting or fault.kind in ("slow", "late")):
            reply = Reply(answer_of(fault, Answer(202), _addresses(request), now))
        else:
            reply = self._api.reply(request, now)
        answer = reply.answer
        if fault is not None:
            answer = answer_of(fault, answer, _addresses(request), now)
        # What was accepted is in the log before anybody is told.
        self._write(request, reply, answer, fault, now)
        return answer

    def _write(self, request: Request, reply: Reply, answer: Answer, fault: Fault | None, now: float) -> None:
        asked = Asked(
            now,
            request.method,
            request.path,
            None if answer.fate in ("reset", "silence") else answer.status,
            reply.request_id,
            len(reply.accepted),
            len(request.body),
            fault.kind if fault is not None else None,
            reply.errors if fault is None else [],
            request.query,
            reply.body if self._options.keeps_bodies else None,
        )
        self._log.write(asked, reply.accepted)
        if reply.body is not None and reply.request_id is not None:
            self._counter.add(len(request.body), (each.message_id or each.email for each in reply.accepted))
            self._events.rehearse(reply.body, reply.request_id, now)

    def _control(self, request: Request) -> Answer | Awaitable[Answer]:
        try:
            return self._told(request)
        except (LookupError, TypeError, ValueError, re.error) as error:
            return refusal(400, [Mistake(f"{request.path} does not understand this: {error}")])

    def _told(self, request: Request) -> Answer | Awaitable[Answer]:
        match request.method, request.path.removeprefix(CONTROL):
            case "GET", "state":
                tally = asdict(self._counter.tally())
                state = {"faults_played": self._faults.played(), "tally": tally}
                return json_answer(200, {**state, "public_key": self.public_key})
            case "POST", "events":
                return self._events.emit(emission_of(orjson.loads(request.body)))
            case "PUT", "faults":
                self._faults.replace([Fault(**each) for each in orjson.loads(request.body)])
            case "PUT", "answers":
                self._api.set_answers(orjson.loads(request.body))
            case "POST", "suppressions":
                for each in orjson.loads(request.body):
                    self._suppressions.add(**each)
            case "POST", "clear":
                self._clear()
            case _:
                return refusal(404, [Mistake(f"{request.path} is no part of the fake's control endpoint")])
        return Answer(204)


def _addresses(request: Request) -> list[list[str]]:
    try:
        return addresses(orjson.loads(request.body))
    except orjson.JSONDecodeError:
        return []
