"""Memory that was freed goes back to the system, which otherwise happens late or never.

The steps of `rapport run` follow one another in one process; what one has freed is the next one's. It takes
some tenths of a second: for steps that have moved rows.
"""

import ctypes
import gc
import sys


def give_back() -> None:
    """Give back what Python, Arrow and, where it is glibc, the C library hold of freed memory."""
    gc.collect()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return  # macOS, musl
    trim(0)
