"""Each kind of object store in turn, and the Airflow connection `shop_files` that opens its bucket."""

import json
import types
from collections.abc import Iterator

import gcsfs.retry
import pytest
from buckets import STORES, Bucket


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    yield from STORES[request.param]()


@pytest.fixture
def bucket(store: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Empty before and after; its connection is there as an environment variable."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_FILES", json.dumps(store.connection))
    yield store
    for name in store.names():
        store.delete(name)


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """gcsfs asks five times more where a token is refused, which may have run out; it does so at once."""

    async def sleep(_: float) -> None:
        pass

    monkeypatch.setattr(gcsfs.retry, "asyncio", types.SimpleNamespace(sleep=sleep))
