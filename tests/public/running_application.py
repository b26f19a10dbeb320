"""An application behind a real socket."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from rapport.public.app import Site, make_app
from rapport.public.database import Database


@contextmanager
def running(site: Site, url: str) -> Iterator[httpx.Client]:
    """A client of the application on a port of its own; it follows no redirect."""
    config = uvicorn.Config(
        make_app(site, Database(url)), port=0, http="httptools", ws="none", access_log=False, log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
