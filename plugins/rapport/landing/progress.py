"""How far a long load is, in lines for people: one that changes on a terminal, one now and then in a log."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

QUIET_SECONDS = 3.0
LOG_SECONDS = 10.0


@dataclass
class LoadProgress:
    """Told of each chunk of a feed's load, it says how far the load is.

    It is quiet for the first `quiet` seconds of the feed; between two lines lie at least `between` seconds.
    """

    say: Callable[[str], None]
    quiet: float = QUIET_SECONDS
    between: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _file: str = ""
    _file_began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._said = self._heard = self._file_began = self.clock()

    def __call__(self, file: str, rows: int, fraction: float | None) -> None:
        """So many rows of the file were loaded, and `fraction` of it was read; None where nobody knows."""
        now = self.clock()
        if file != self._file:
            # A file is heard of with its first chunk; it began when the one before was done.
            self._file, self._file_began = file, self._heard
        self._heard = now
        if now - self._began >= self.quiet and now - self._said >= self.between:
            self._said = now
            self.say(progress_line(file, rows, fraction, now - self._file_began))


def progress_line(file: str, rows: int, fraction: float | None, seconds: float) -> str:
    """As in `orders.csv: 1,200,000 rows, 60,000 rows/s, 40 %, about 30 s left`."""
    said = [f"{rows:,} rows"]
    if seconds > 0:
        said.append(f"{rows / seconds:,.0f} rows/s")
    if fraction is not None and fraction > 0:
        said.append(f"{fraction:.0%}".replace("%", " %"))
        if fraction < 1:
            said.append(f"about {_duration(seconds * (1 - fraction) / fraction)} left")
    return f"{PurePosixPath(file).name}: {', '.join(said)}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
