"""The fake as tests hold it: a process of its own that they start, look into, break and kill."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import urllib3

from rapport.delivery.fake_sendgrid import log
from rapport.delivery.fake_sendgrid.behaviour import Behaviour
from rapport.delivery.fake_sendgrid.disorder import Disorder
from rapport.delivery.fake_sendgrid.emission import Emission
from rapport.delivery.fake_sendgrid.events import Happening
from rapport.delivery.fake_sendgrid.faults import Fault
from rapport.delivery.fake_sendgrid.log import Accepted, Asked
from rapport.delivery.fake_sendgrid.received import ReceivedMail, received_mails
from rapport.delivery.fake_sendgrid.tally import Tally
from rapport.errors import ServiceFailed

KEY = "SG.fake"
_PROGRAM = "rapport.delivery.fake_sendgrid"
_PLUGINS = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Emitted:
    """`events` were made, `sent` is how many went out with copies; `answers` has the status of each post,
    None where there was no answer."""

    events: int
    sent: int
    answers: list[int | None]


class FakeSendGrid:
    """`with FakeSendGrid() as fake:` starts a fake on a free port of 127.0.0.1 and ends it afterwards.

    `openapi` is SendGrid's document of mail/send, `key` the API key that it lets in, `file` the log to write,
    or go on with; without one it is in a temporary folder. `fast` is for benchmarks: no rules, no log, only
    `tally`. `options` are those of `rapport fake-sendgrid`. `kill` and `start` take it down and up again on
    the same port and the same log; faults are forgotten by that.
    """

    def __init__(
        self,
        openapi: Path | None = None,
        *,
        key: str = KEY,
        file: Path | None = None,
        port: int = 0,
        seed: int = 1,
        fast: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fake-sendgrid-")
        self.key = key
        self.file = file if file is not None else Path(self._folder.name) / "log.jsonl"
        self.port = port
        self._options = [f"--key={key}", f"--log={self.file}", f"--seed={seed}", *options]
        if fast:
            self._options.append("--fast")
        if openapi is not None:
            self._options.append(f"--openapi={openapi}")
        self._pool = urllib3.PoolManager(retries=False, timeout=600)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._pool.clear()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "the fake is not running"
        return self._process.pid

    def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            ServiceFailed: it did not come up; it has written why to standard error.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, f"--port={self.port}", "--end-with-stdin", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(_PLUGINS)},
        )
        assert process.stdout is not None
        found = re.search(rb"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        self._process = process
        if found is None:
            self.stop()
            raise ServiceFailed("the fake SendGrid did not start; its output says why")
        self.port = int(found[1])

    def stop(self) -> None:
        """End the process in good order; without one, nothing."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(subprocess.Popen.kill)

    def pause(self) -> None:
        """Stop its clock until `resume`: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: Any) -> None:
        if self._process is not None:
            how(self._process)
            self._process.send_signal(signal.SIGCONT)  # one that is paused would not see its end
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:  # it waits for a webhook
                self._process.kill()
                self._process.wait(10)
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process = None

    def log(self) -> list[Accepted]:
        """Every recipient of every mail that was accepted, in order. Works while the fake is down, too."""
        return [log.accepted_of(line) for line in log.lines(self.file) if line["kind"] == "accepted"]

    def requests(self) -> list[Asked]:
        """Everything that the fake was asked under /v3, with what it answered."""
        return [log.asked_of(line) for line in log.lines(self.file) if line["kind"] == "asked"]

    def mails(self) -> list[ReceivedMail]:
        """What each recipient of an accepted mail would get, in order."""
        return [
            mail
            for asked in self.requests()
            if asked.body is not None and asked.request_id is not None
            for mail in received_mails(asked.body, asked.request_id, asked.at)
        ]

    def tally(self) -> Tally:
        """How much was accepted; all that a fast fake knows."""
        return Tally(**self._ask("state")["tally"])

    @property
    def public_key(self) -> str:
        """What proves the fake's events, as RAPPORT_WEBHOOK_KEYS takes it."""
        return self._ask("state")["public_key"]

    def emit_events(
        self,
        *happenings: str | Happening,
        to: str,
        behaviour: Behaviour | None = None,
        recipients: str | None = None,
        message_ids: Sequence[str] | None = None,
        disorder: Disorder | None = None,
        tries: int = 1,
        seed: int = 1,
    ) -> Emitted:
        """Send events of accepted mails to a webhook, and wait until they are there.

        `happenings` are names of events.NAMES, or Happenings with times and fields; each is sent for each
        recipient that `recipients` (a regular expression) and `message_ids` leave. With a `behaviour`, what
        it makes of each. Bounces, complaints and unsubscribes put the address on its suppression list, too.
        """
        order = Emission(
            to,
            [Happening(each) if isinstance(each, str) else each for each in happenings],
            behaviour,
            recipients,
            list(message_ids) if message_ids is not None else None,
            disorder or Disorder(),
            tries,
            seed,
        )
        return Emitted(**orjson.loads(self._tell("POST", "events", asdict(order))))

    def set_answers(self, answers: dict[str, Any]) -> None:
        """What to answer to requests that the fake does not know, by `GET /v3/whitelabel/domains`."""
        self._tell("PUT", "answers", answers)

    def suppress(self, name: str, email: str, created: int | None = None, **detail: str) -> None:
        """Put an address on a list: bounces, blocks, spam_reports, invalid_emails or unsubscribes. `created`
        in seconds since 1970, default now; `detail` is reason, status or ip."""
        created = int(time.time()) if created is None else created
        self._tell("POST", "suppressions", [{"name": name, "email": email, "created": created, **detail}])

    def set_faults(self, *faults: Fault) -> None:
        """These faults from now on, in order of precedence; none: behave again."""
        self._tell("PUT", "faults", [asdict(fault) for fault in faults])

    def faults_played(self) -> list[int]:
        """How often each fault was played since it was set."""
        return self._ask("state")["faults_played"]

    def clear(self) -> None:
        """Forget everything: log, faults, answers, suppressions."""
        self._tell("POST", "clear")

    def _ask(self, what: str) -> Any:
        return orjson.loads(self._tell("GET", what))

    def _tell(self, method: str, what: str, content: object = None) -> bytes:
        body = orjson.dumps(content) if content is not None else None
        answer = self._pool.request(method, f"{self.url}/_fake/{what}", body=body)
        if answer.status >= 300:
            raise ServiceFailed(f"the fake SendGrid answered {answer.status}: {answer.data.decode()}")
        return answer.data
