import threading
from collections.abc import Iterator

import pytest

from rapport.landing.ahead import one_ahead


def test_items_come_in_order_and_the_next_is_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for number in range(4):
            made[number].set()
            yield number

    with one_ahead(items()) as ahead:
        for number in ahead:
            assert number == 3 or made[number + 1].wait(10)
            assert number > 1 or not made[number + 2].wait(0.05), "only one is made ahead"
    assert all(event.is_set() for event in made)


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with one_ahead(items()) as ahead:
        assert next(ahead) == 1
        with pytest.raises(OSError, match="gone"):
            next(ahead)


def test_what_is_not_used_to_its_end_is_closed() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with one_ahead(items()) as ahead:
        assert next(ahead) == 1
    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
