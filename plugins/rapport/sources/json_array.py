"""The elements of a long JSON array, as slices of its text, in bounded memory.

Where elements begin and end is found by counting brackets outside of strings, in numpy; whether an element is
JSON is for the reader to see.
"""

import re
from collections.abc import Iterator

import numpy as np

LONGEST_RECORD = 64 << 20  # bytes

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_TOKEN = re.compile(rb'\s*(?:("(?:[^"\\]|\\.)*")|([{}\[\],:])|([^\s"{}\[\],:]+))', re.DOTALL)
_SPACE = re.compile(rb"\s*")
_IS_SIGN = np.zeros(256, dtype=bool)
_IS_SIGN[np.frombuffer(b'"[]{},', np.uint8)] = True
_STEP = np.zeros(256, dtype=np.int32)
_STEP[np.frombuffer(b"[{", np.uint8)] = 1
_STEP[np.frombuffer(b"]}", np.uint8)] = -1
_QUOTE, _COMMA = ord('"'), ord(",")


class NotAnArray(ValueError):
    """The document has no list where one is looked for, or ends early. The message says what is there."""


def array_elements(blocks: Iterator[bytes], keys: tuple[str, ...]) -> Iterator[bytes]:
    """The elements of the array at `keys` in the document (no keys: the document itself), whole, in order.

    Raises:
        NotAnArray: there is none, it is not closed, or an element is longer than LONGEST_RECORD.
    """
    prefix = _Prefix(blocks)
    prefix.enter(keys)
    yield from _elements(prefix.rest(), blocks, outer=len(keys))


class _Prefix:
    """What comes before the array, token by token."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._buffer = b""
        self._at = 0

    def rest(self) -> bytes:
        return self._buffer[self._at :]

    def enter(self, keys: tuple[str, ...]) -> None:
        """Go to just behind the opening bracket of the array."""
        for depth, wanted in enumerate(keys):
            place = ".".join(keys[:depth]) or "the document"
            if self._next() != b"{":
                raise NotAnArray(f"{place} is no object that could hold {wanted}")
            self._find(wanted, place)
        if self._next() != b"[":
            raise NotAnArray(f"{'.'.join(keys) or 'the document'} is no list")

    def _find(self, wanted: str, place: str) -> None:
        seen = []
        token = self._next()
        while token != b"}":
            key = token[1:-1].decode(errors="replace")
            seen.append(key)
            if self._next() != b":" or token[:1] != b'"':
                raise NotAnArray(f"{place} is not JSON after the key {key[:80]}")
            if key == wanted:
                return
            self._skip()
            token = self._next()
            if token == b",":
                token = self._next()
        raise NotAnArray(f"{place} has no {wanted}; it has: {', '.join(seen[:20]) or 'nothing'}")

    def _skip(self) -> None:
        depth = 0
        while True:
            token = self._next()
            depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
            if depth <= 0:
                return

    def _next(self) -> bytes:
        while True:
            match = _TOKEN.match(self._buffer, self._at)
            # A token that touches the buffer's end may go on behind it.
            if match is not None and match.end() < len(self._buffer):
                break
            more = next(self._blocks, b"")
            if not more:
                if match is None:
                    raise NotAnArray("the document ends early; it was cut off")
                break
            self._buffer, self._at = self._buffer[self._at :] + more, 0
            if len(self._buffer) > LONGEST_RECORD + len(more):
                raise NotAnArray(f"a text before the list is longer than {LONGEST_RECORD >> 20} MB")
        self._at = match.end()
        return match[0].strip()


def _elements(rest: bytes, blocks: Iterator[bytes], outer: int) -> Iterator[bytes]:
    depth, is_inside, begun, count = 0, False, b"", 0
    block = rest
    while True:
        while block.endswith(b"\\") and (more := next(blocks, b"")):
            block += more
        commas, end, depth, is_inside = _scan(block, depth, is_inside)
        start = 0
        for comma in commas:
            yield begun + block[start:comma]
            begun, start, count = b"", comma + 1, count + 1
        if end is not None:
            last = begun + block[start:end]
            if last.strip() or count:
                yield last
            _refuse_unclosed(block[end + 1 :], blocks, outer, count)
            return
        begun += block[start:]
        if len(begun) > LONGEST_RECORD:
            raise NotAnArray(f"record {count + 1} is longer than {LONGEST_RECORD >> 20} MB")
        block = next(blocks, b"")
        if not block:
            raise NotAnArray(
                f"the list ends early, after record {count}; the file was cut off, fetch it again"
            )


def _scan(block: bytes, depth: int, is_inside: bool) -> tuple[list[int], int | None, int, bool]:
    """Where the commas between elements are, where the array's closing bracket, and the state afterwards."""
    # An escaped quote closes no string: escapes are painted over with letters, in place.
    painted = _ESCAPE.sub(b"__", block) if b"\\" in block else block
    codes = np.frombuffer(painted, np.uint8)
    places = np.flatnonzero(_IS_SIGN[codes])
    signs = codes[places]
    quotes = np.cumsum(signs == _QUOTE) + is_inside
    outside = quotes % 2 == 0
    steps = np.where(outside, _STEP[signs], 0)
    depths = depth + np.cumsum(steps)
    closed = np.flatnonzero(depths < 0)
    end = int(closed[0]) if len(closed) else None
    upto = slice(None, end)
    commas = places[upto][(depths[upto] == 0) & (signs[upto] == _COMMA) & outside[upto]].tolist()
    if not len(places):
        return [], None, depth, is_inside
    return commas, None if end is None else int(places[end]), int(depths[-1]), bool(quotes[-1] % 2)


def _refuse_unclosed(block: bytes, blocks: Iterator[bytes], outer: int, count: int) -> None:
    """Read what follows the array: its document must end, and nothing may follow that."""
    depth, is_inside = outer - 1, False
    while depth >= 0:
        while block.endswith(b"\\") and (more := next(blocks, b"")):
            block += more
        _, end, depth, is_inside = _scan(block, depth, is_inside)
        if end is not None:
            block = block[end + 1 :]
            break
        block = next(blocks, b"")
        if not block:
            raise NotAnArray("the document ends early, after its list; the file was cut off, fetch it again")
    while not block.strip():
        block = next(blocks, b"")
        if not block:
            return
    raise NotAnArray(f"something follows the end of the list, after record {count + 1}")
