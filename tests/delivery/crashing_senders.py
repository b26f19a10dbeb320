"""Senders in processes that can be killed or stopped at any instant, and what disturbs them."""

import multiprocessing
import os
import random
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess

import psycopg

from delivery.live_shop import LiveShop
from rapport.delivery.fake_sendgrid import Fault
from rapport.settings import Settings

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["rapport.delivery.outbox", "rapport.delivery.transports.sendgrid"])

FAULTS = (
    Fault("status", status=500, probability=0.3),
    Fault("status", status=503, after_accepting=True, probability=0.3),
    Fault("proxy_page", status=502, probability=0.3),
    Fault("proxy_page", status=408, after_accepting=True, probability=0.3),
    Fault("rate_limit", seconds=0.2, probability=0.3),
    Fault("too_large", more_than=30, probability=0.5),
    Fault("unnamed", recipients="^c13@"),
    Fault("named", recipients="^c7@"),
    Fault("reset", probability=0.3),
    Fault("reset", after_accepting=True, probability=0.3),
    Fault("silence", probability=0.2),
    Fault("silence", after_accepting=True, probability=0.2),
    Fault("slow", seconds=0.5, probability=0.3),
    Fault("late", seconds=0.3, probability=0.5),
    Fault("status", status=401, probability=0.1),
)


def send(url: str, settings: Settings) -> None:
    """Send in this process, with every patience cut to about a second."""
    from rapport.delivery import handing_over, leaving, outbox, settling
    from rapport.delivery.transports import sendgrid_client

    leaving.FRESH = "1 second"
    leaving.STALLED = 0.3
    handing_over.LONGEST_FAILURE = 1_000_000
    settling.ANSWERED_BY = timedelta(seconds=3)
    sendgrid_client.ANSWERED_BY = 0.7
    try:
        outbox.send_due(url, settings, now=datetime.now(UTC))
    except (psycopg.Error, Exception) as error:  # the process would end with it
        os._exit(0 if isinstance(error, Exception) else 1)


def start(live: LiveShop, settings: Settings) -> BaseProcess:
    process = _PROCESSES.Process(target=send, args=(live.shop.url, settings), daemon=True)
    process.start()
    return process


def disturb(live: LiveShop, settings: Settings, chance: random.Random, *, kills_postgres: bool) -> None:
    """One or two senders, disturbed by one thing at a random moment."""
    live.fake.set_faults(*chance.sample(FAULTS, chance.randint(0, 2)))
    processes = [start(live, settings) for _ in range(chance.randint(1, 2))]
    time.sleep(chance.uniform(0.02, 0.8))
    victim = chance.choice(processes)
    match chance.choice(("kill", "kill", "stop", "fake", "postgres" if kills_postgres else "terminate")):
        case "kill":
            victim.kill()
        case "stop":
            assert victim.pid is not None
            with suppress(ProcessLookupError):  # it may have come to its end
                os.kill(victim.pid, signal.SIGSTOP)
                time.sleep(chance.choice((0.4, 1.5, 4.0)))
                os.kill(victim.pid, signal.SIGCONT)
        case "fake":
            live.fake.kill()
            live.fake.start()
        case "terminate":
            with psycopg.connect(live.shop.url, autocommit=True) as connection:
                connection.execute(
                    """
                    select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()
                    """
                )
        case "postgres":
            kill_a_backend(live)
    for process in processes:
        process.join(chance.choice((0.5, 8)))
        process.kill()
        process.join()


def kill_a_backend(live: LiveShop) -> None:
    """kill -9 of one of PostgreSQL's processes; the server ends all others and recovers."""
    with psycopg.connect(live.shop.url, autocommit=True) as connection:
        row = connection.execute("select pg_backend_pid()").fetchone()
        assert row is not None
        os.kill(row[0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            psycopg.connect(live.shop.url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("PostgreSQL did not come back")


def resume_all(live: LiveShop) -> None:
    """What a person does where a refusal of all has held the campaign."""
    live.shop.execute(
        "update activation.pauses set resumed_at = now(), resumed_by = 'me' where resumed_at is null"
    )
    live.shop.execute("update activation.editions set state = 'approved' where state = 'held'")
