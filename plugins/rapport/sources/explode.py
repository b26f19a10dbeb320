"""Records with a list in them → a row for each of its elements.

`explode: refunds[].refund_line_items[]` gives a row for each line of each refund. A row has the record's
other columns, and for each list on the way
- `refunds[]`: the element, as JSON text, without the list in it that is exploded further;
- `refunds[#]`: its place in the list, from 0.
"""

from collections.abc import Iterable, Iterator

import msgspec
import pyarrow as pa

from rapport.sources.chunk import CHUNK_BYTES, CHUNK_ROWS, Chunk, Unreadable
from rapport.sources.paths import EACH, as_text, decode

Keys = tuple[str, ...]
Element = tuple[str | None, str]

_LIST: msgspec.json.Decoder[list[msgspec.Raw] | None] = msgspec.json.Decoder(list[msgspec.Raw] | None)
_OBJECT: msgspec.json.Decoder[dict[str, msgspec.Raw] | None] = msgspec.json.Decoder(
    dict[str, msgspec.Raw] | None
)
_NULL = msgspec.Raw(b"null")


def levels(explode: str) -> tuple[str, ...]:
    """The lists that `explode` goes through, outermost first, each as `refunds[]`, `refunds[].lines[]`."""
    names = explode.removesuffix(EACH).split("[].")
    return tuple("[].".join(names[: depth + 1]) + EACH for depth in range(len(names)))


def exploded(explode: str | None, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The chunks with a row for each element of the list; without `explode`, the chunks as they are.

    A record whose list is missing, null or empty gives no row. One whose list is something else is
    unreadable. The rows of a record share its line.
    """
    if explode is None:
        yield from chunks
        return
    for chunk in chunks:
        yield from _explode(explode, chunk)


def _explode(explode: str, chunk: Chunk) -> Iterator[Chunk]:
    lists = [tuple(name.split(".")) for name in explode.removesuffix(EACH).split("[].")]
    root = lists[0][0]
    parents: list[int] = []
    elements: list[tuple[Element, ...]] = []
    unreadable = list(chunk.unreadable)
    has_list = root in chunk.rows.schema.names
    for row, text in enumerate(chunk.rows.column(root).to_pylist() if has_list else ()):
        if text is None:
            continue
        try:
            found = list(_elements(msgspec.Raw(text.encode()), lists[0][1:], lists[1:]))
        except (msgspec.MsgspecError, RecursionError):
            reason = f"{explode} is no list that can be exploded: a list of JSON values is expected there"
            unreadable.append(Unreadable(chunk.lines[row].as_py(), text, reason))
            continue
        elements += found
        parents += [row] * len(found)
    rest = chunk.rows.drop_columns([root]) if has_list else chunk.rows
    rows = max(1, min(CHUNK_ROWS, CHUNK_BYTES * rest.num_rows // max(1, rest.nbytes)))
    for start in range(0, len(parents), rows):
        taken = pa.array(parents[start : start + rows], pa.int64())
        columns = dict(zip(rest.schema.names, rest.take(taken).columns, strict=True))
        for depth, level in enumerate(levels(explode)):
            here = [element[depth] for element in elements[start : start + rows]]
            columns[level] = pa.array([text for text, _ in here], pa.string())
            columns[f"{level.removesuffix(EACH)}[#]"] = pa.array([place for _, place in here], pa.string())
        yield Chunk(pa.RecordBatch.from_pydict(columns), chunk.lines.take(taken), unreadable)
        unreadable = []
    if unreadable:
        yield Chunk(chunk.rows.slice(0, 0), chunk.lines.slice(0, 0), unreadable)


def _elements(value: msgspec.Raw, keys: Keys, further: list[Keys]) -> Iterator[tuple[Element, ...]]:
    """For each element of the list at `keys` in `value`, and in it of the further ones: what a row gets."""
    for key in keys:
        value = (_OBJECT.decode(value) or {}).get(key, _NULL)
    for place, element in enumerate(_LIST.decode(value) or ()):
        if not further:
            yield ((_text(element), str(place)),)
            continue
        members = _OBJECT.decode(element) or {}
        inner = members.pop(further[0][0], _NULL)
        outer = (msgspec.json.encode(members).decode(), str(place))
        for rest in _elements(inner, further[0][1:], further[1:]):
            yield (outer, *rest)


def _text(element: msgspec.Raw) -> str | None:
    written = bytes(element).decode()
    return written if written.startswith(("{", "[")) else as_text(decode(written))
