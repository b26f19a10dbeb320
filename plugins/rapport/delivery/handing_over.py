"""Claimed parcels to the transport, and what its answers mean for them.

Requests are under way in threads; the warehouse is written by the caller's thread alone. An attempt's row is
committed before its request leaves, whether it was claimed or is what a divided parcel became.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ALL_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg

from rapport.delivery import attempts, leaving, rate
from rapport.delivery.attempts import Ended
from rapport.delivery.counts import HandedOver
from rapport.delivery.mime import Mail
from rapport.delivery.settling import hold_campaign
from rapport.delivery.transports import WITHHELD, Answer, Transport

MOST_REQUESTS = 20  # of one parcel, however it is divided
LONGEST_FAILURE = 5  # requests in a row that nobody understood the answer of
WHILE = 0.02  # seconds after which answers are written, though others are still awaited

log = logging.getLogger(__name__)


@dataclass
class Parcel:
    """Mails that are claimed for an attempt. `requests` counts those of the parcel that it is a part of."""

    attempt_id: int
    mails: list[Mail]
    requests: list[int] = field(default_factory=lambda: [0])


class Handing:
    """The parcels of one campaign on their way."""

    def __init__(
        self,
        url: str,
        connection: psycopg.Connection,
        transport: Transport,
        campaign: str,
        moment: Callable[[], datetime],
    ) -> None:
        self.counts = HandedOver()
        self.is_held = False
        self._connection = connection
        self._watch = leaving.Watch(url)
        self._transport = transport
        self._campaign = campaign
        self._moment = moment
        self._waiting: deque[Parcel] = deque()
        self._under_way: dict[Future[Answer], Parcel] = {}
        self._threads = ThreadPoolExecutor(transport.in_flight, thread_name_prefix="rapport-send")
        self._suspects: list[tuple[Parcel, Answer]] = []
        self._ended: list[Ended] = []
        self._may_have_failed = True  # another sender's requests, just before

    def add(self, parcels: Sequence[Parcel]) -> None:
        """Hand these over when it is their turn."""
        self._waiting.extend(parcels)

    @property
    def is_busy(self) -> bool:
        """Whether more waits than can leave at once."""
        return len(self._waiting) >= self._transport.in_flight

    def step(self) -> None:
        """Let what may leave, and write the answers that came in the meantime."""
        self._launch()
        if self._under_way:
            self._collect(WHILE)

    def finish(self) -> None:
        """Hand over everything that waits, and wait for all answers."""
        while self._waiting or self._under_way:
            self.step()
        self._judge_suspects()
        self._write()

    def stop(self) -> None:
        """Give back what waits, and wait for the answers to what is under way."""
        waiting, self._waiting = list(self._waiting), deque()
        for parcel in waiting:
            self._end(parcel, Answer("returned", detail="not sent any more"))
        self.finish()

    def close(self) -> None:
        """End the threads, and their connection."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._watch.close()

    def _launch(self) -> None:
        free = self._transport.in_flight - len(self._under_way)
        parcels = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        if not parcels:
            return
        looked_at = leaving.moment()
        looked = leaving.last_look(self._connection, [parcel.attempt_id for parcel in parcels])
        for parcel in parcels:
            if parcel.attempt_id in looked:
                parcel.requests[0] += 1
                self._under_way[self._threads.submit(self._hand_over, parcel, looked_at)] = parcel
            else:
                self._end(parcel, WITHHELD)
        self._write()

    def _hand_over(self, parcel: Parcel, looked_at: float) -> Answer:
        request = self._transport.request(parcel.mails, parcel.attempt_id)
        return self._transport.hand_over(request, lambda: self._watch.may_leave(parcel.attempt_id, looked_at))

    def _collect(self, seconds: float) -> None:
        done, _ = wait(self._under_way, timeout=seconds, return_when=ALL_COMPLETED)
        for future in done:
            parcel = self._under_way.pop(future)
            self._settle(parcel, future.result())
        self._write()

    def _settle(self, parcel: Parcel, answer: Answer) -> None:
        if answer.kind == "divide" and len(parcel.mails) == 1 and parcel.requests[0] == 1:
            # A lone mail: whether it or all of its kind are refused, the others of its chunk will show.
            self._suspects.append((parcel, answer))
        elif answer.kind in ("divide", "rejected") and len(parcel.mails) > 1:
            self._write()
            self._divide(parcel, answer)
        else:
            self._end(parcel, answer)

    def _divide(self, parcel: Parcel, answer: Answer) -> None:
        """Ask again with the rest, or with each half; each part is an attempt that is committed first."""
        refused: dict[UUID, tuple[str, str | None]] = {}
        if answer.kind == "rejected":
            refused = {parcel.mails[place].message_id: _rejection(answer) for place in answer.rejected}
            parts = [[mail for mail in parcel.mails if mail.message_id not in refused]]
        else:
            middle = len(parcel.mails) // 2
            parts = [parcel.mails[:middle], parcel.mails[middle:]]
        parts = [part for part in parts if part]
        ids = attempts.divide(
            self._connection,
            parcel.attempt_id,
            [[mail.message_id for mail in part] for part in parts],
            status=answer.status,
            detail=answer.detail,
            refused=refused,
        )
        self.counts.rejected += len(refused)
        pieces = [Parcel(id_, part, parcel.requests) for id_, part in zip(ids, parts, strict=True)]
        answers = [self._ask(piece) for piece in pieces]
        alike = {(one.kind, one.status, one.detail, one.hold) for one in answers}
        if len(pieces) == 2 and len(alike) == 1 and answers[0].kind == "divide" and answers[0].hold:
            answers = [
                Answer("returned", status=one.status, hold=one.hold, detail=one.detail) for one in answers
            ]
        for piece, one in zip(pieces, answers, strict=True):
            if one.kind in ("divide", "rejected") and len(piece.mails) > 1:
                self._divide(piece, one)
            else:
                self._end(piece, one)

    def _ask(self, parcel: Parcel) -> Answer:
        if parcel.requests[0] >= MOST_REQUESTS:
            return Answer("returned", hold=f"{MOST_REQUESTS} requests did not show which mails are refused")
        looked_at = leaving.moment()
        if self.is_held or not leaving.last_look(self._connection, [parcel.attempt_id]):
            return WITHHELD
        parcel.requests[0] += 1
        return self._threads.submit(self._hand_over, parcel, looked_at).result()

    def _end(self, parcel: Parcel, answer: Answer) -> None:
        ids = [mail.message_id for mail in parcel.mails]
        others: dict[UUID, tuple[str, str | None]] = {
            ids[place]: ("skipped", "render_error") for place in answer.faulty
        }
        if answer.kind in ("rejected", "accepted"):
            others |= {ids[place]: _rejection(answer) for place in answer.rejected}
        kind = answer.kind
        if kind == "divide":  # of one mail that is a part of a larger parcel: it is to blame
            kind = "rejected"
        if kind == "uncertain" and not self._transport.has_events:
            outcome: attempts.Outcome = "unknown"
        else:
            outcome = "returned" if kind == "wait" else kind
        if outcome == "rejected":
            others = {id_: _rejection(answer) for id_ in ids} | others
        self._ended.append(
            Ended(parcel.attempt_id, outcome, answer.status, answer.provider_id, answer.detail, others)
        )
        self._count(outcome, len(ids), len(answer.faulty), len(others) - len(answer.faulty))
        self._heed(answer)

    def _count(self, outcome: str, mails: int, faulty: int, rejected: int) -> None:
        counts = self.counts
        counts.skipped += faulty
        counts.rejected += rejected
        rest = mails - faulty - rejected
        counts.accepted += rest if outcome == "accepted" else 0
        counts.returned += rest if outcome == "returned" else 0
        counts.uncertain += rest if outcome in ("uncertain", "unknown") else 0

    def _heed(self, answer: Answer) -> None:
        if answer.until is not None:
            rate.block(self._connection, self._transport.name, answer.until)
        if answer.hold is not None and answer.kind == "returned":
            self._hold(answer.hold)

    def _hold(self, reason: str) -> None:
        self.is_held = True
        log.warning("campaign %s is held: %s", self._campaign, reason)
        hold_campaign(self._connection, self._campaign, reason)

    def _judge_suspects(self) -> None:
        suspects, self._suspects = self._suspects, []
        alike = {(answer.status, answer.detail) for _, answer in suspects}
        are_all = len(suspects) > 1 and len(alike) == 1 and self.counts.accepted == 0
        for parcel, answer in suspects:
            if are_all and answer.hold:
                self._end(
                    parcel, Answer("returned", status=answer.status, hold=answer.hold, detail=answer.detail)
                )
            else:
                self._end(parcel, answer)

    def _write(self) -> None:
        ended, self._ended = self._ended, []
        if not ended:
            return
        attempts.end(self._connection, ended, at=self._moment() if self._transport.is_idempotent else None)
        if self._transport.is_idempotent:
            return
        failed = sum(one.outcome in ("uncertain", "unknown") for one in ended)
        answered = sum(one.outcome in ("accepted", "rejected") for one in ended)
        if failed or (answered and self._may_have_failed):
            self._may_have_failed = failed > 0
            in_a_row = rate.count_failures(self._connection, self._transport.name, failed, answered)
            if in_a_row >= LONGEST_FAILURE and not self.is_held:
                self._hold(f"{in_a_row} requests in a row got no answer that says what became of them")


def _rejection(answer: Answer) -> tuple[str, str | None]:
    return "rejected", f"refused: {answer.status}" if answer.status else "refused"
