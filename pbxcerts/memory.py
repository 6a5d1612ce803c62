"""Memory between our processes and the system: shared while it can be, given back when a crowd has passed (glibc's malloc)."""

import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE = 16 * 1024

_libc = ctypes.CDLL(None)


def share() -> None:
    """Before processes are forked: they share what is loaded as long as none of them writes to it."""
    gc.collect()
    gc.freeze()
    give_back()
    # A TLS connection has buffers of 16 KiB (OpenSSL) and one of 256 KiB (uvloop), of which it uses a few pages. By default glibc
    # raises these limits by itself and keeps such buffers; so they go back to the system with their connection (mallopt(3)).
    _libc.mallopt(M_MMAP_THRESHOLD, LARGE)
    _libc.mallopt(M_TRIM_THRESHOLD, LARGE)


def give_back() -> None:
    """What many TLS handshakes leave behind is free and in small pieces, which malloc keeps. Takes some milliseconds."""
    _libc.malloc_trim(0)
