"""Zip archives: each member that is wanted is a file of its own."""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import IO

from rapport.errors import InputError
from rapport.sources.compression import UnpackLimits

_MOST_MEMBERS = 10_000
_DAMAGE = (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, struct.error)
_NOT_ZIP = "ends in .zip and is no zip archive, or was cut off; fetch it again, or rename it"


def members(stored: IO[bytes], path: str, pattern: str | None, limits: UnpackLimits) -> list[zipfile.ZipInfo]:
    """The archive's members that match `pattern` (default: the only one), sorted by name.

    Raises:
        InputError: it is no zip archive, none matches, there are several to choose from, or they would unpack
            to more than the limits allow.
    """
    with _opened(stored, path) as archive:
        found = sorted((m for m in archive.infolist() if _is_content(m)), key=lambda member: member.filename)
        size = stored.seek(0, 2)
    names = [member.filename for member in found]
    if len(found) > _MOST_MEMBERS:
        raise InputError(f"{path} has {len(found)} members, and {_MOST_MEMBERS} is the limit; split it")
    if pattern is not None:
        found = [member for member in found if fnmatchcase(member.filename, pattern)]
        if not found:
            near = get_close_matches(pattern, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(names[:5]) or 'none'}"
            raise InputError(f"{path}: no member matches {pattern} (read.member); {hint}")
    elif not found:
        raise InputError(f"{path} is an archive without any file in it")
    elif len(found) > 1:
        raise InputError(
            f"{path} holds {len(found)} files ({', '.join(names[:5])}{', …' if len(found) > 5 else ''}); say "
            "which are meant with `member` under read, a name or a pattern such as orders-*.csv"
        )
    # What a member says of its size is as much as can be read of it.
    if sum(member.file_size for member in found) > limits.allowed(size):
        raise limits.refusal(path, size)
    return found


@contextmanager
def member_stream(stored: IO[bytes], path: str, name: str) -> Iterator[IO[bytes]]:
    """The member's bytes, unpacked.

    Raises:
        InputError: it is encrypted, or packed in a way that nothing here unpacks.
    """
    with _opened(stored, path) as archive:
        try:
            stream = archive.open(name)
        except NotImplementedError as error:
            raise InputError(f"{path}: {name} cannot be unpacked ({error}); zip it with deflate") from None
        except RuntimeError:
            raise InputError(f"{path}: {name} is encrypted; deliver it without a password") from None
        except _DAMAGE as error:
            raise InputError(f"{path}: {name} is damaged ({error}); fetch the archive again") from None
        with stream:
            yield stream


def packed_bytes(stored: IO[bytes], path: str, name: str) -> Iterator[bytes]:
    """What the archive holds of the member, as it is packed, block by block.

    Raises:
        InputError: the archive is damaged.
    """
    with _opened(stored, path) as archive:
        member = archive.getinfo(name)
    try:
        stored.seek(member.header_offset)
        _, name_length, extra_length = struct.unpack("<26sHH", stored.read(30))
        stored.seek(name_length + extra_length, 1)
    except (*_DAMAGE, struct.error) as error:
        raise InputError(f"{path}: {name} is damaged ({error}); fetch the archive again") from None
    left = member.compress_size
    while left and (block := stored.read(min(left, 1 << 20))):
        left -= len(block)
        yield block


@contextmanager
def _opened(stored: IO[bytes], path: str) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(stored)
    except (*_DAMAGE, NotImplementedError, RuntimeError):
        raise InputError(f"{path} {_NOT_ZIP}") from None
    with archive:
        yield archive


def _is_content(member: zipfile.ZipInfo) -> bool:
    """Whether it is a file that someone packed, and not what an operating system adds."""
    name = PurePosixPath(member.filename).name
    return not member.is_dir() and not name.startswith(".") and "__MACOSX" not in member.filename
