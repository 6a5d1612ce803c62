"""Keep the tree small: its processes share memory, and what is free goes back to the system (glibc's malloc)."""

import ctypes
import gc
import sys
from array import array

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE = 16 * 1024
STEP = 16
"""Malloc rounds up to it."""

SMALL = 512
"""Python makes objects up to this size in pools, each of pieces of one size (its obmalloc.c)."""
POOL = 16 * 1024
POOL_HEADER = 48

_libc = ctypes.CDLL(None)
# Another C library (musl) has neither, and gives back what is free without being told.
_mallopt = getattr(_libc, "mallopt", None)
_malloc_trim = getattr(_libc, "malloc_trim", None)
_malloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(("malloc", _libc))
_free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(("free", _libc))
_object_malloc = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(("PyObject_Malloc", ctypes.pythonapi))
_object_free = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("PyObject_Free", ctypes.pythonapi))
_sbrk = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_ssize_t)(("sbrk", _libc))


def share() -> None:
    """Called before processes are forked, which share what is loaded here as long as none of them writes to it."""
    gc.collect()
    gc.freeze()
    # What pushes an entry out of this cache lets go of the name there, on a page where nothing else is touched.
    sys._clear_type_cache()
    _fill_pools()
    give_back()
    # A TLS connection has buffers of 16 KiB (OpenSSL) and one of 256 KiB (uvloop), of which it uses a few pages. By default glibc
    # raises these limits by itself and keeps such buffers; so they go back to the system with their connection (mallopt(3)).
    if _mallopt is not None:
        _mallopt(M_MMAP_THRESHOLD, LARGE)
        _mallopt(M_TRIM_THRESHOLD, LARGE)
    _fill_gaps()


def _fill_pools() -> None:
    """Take for good what is free in pools that are shared, for the same reason as in `_fill_gaps`."""
    for size in range(STEP, SMALL + STEP, STEP):
        whole = (POOL - POOL_HEADER) // size
        taken, last = array("Q"), array("Q")
        for _piece in range(64 * whole):
            piece = _object_malloc(size)
            if last and piece // POOL != last[-1] // POOL:
                taken.extend(last)
                del last[:]
            last.append(piece)
            # All of a pool, but for a few integers of this loop: it was empty, so no other one has gaps.
            if len(last) >= whole - whole // 64:
                break
        else:
            # Where Python was told to use another allocator (PYTHONMALLOC) there are no such pools, and nothing is kept.
            last.extend(taken)
        for piece in last:
            _object_free(piece)


def _fill_gaps() -> None:
    """Take for good what is free between the pieces that are shared. Malloc would hand it out first, and each process would copy
    a page for every few octets of it: a connection of SQLite needs 0.3 MB, and copied 1.5.
    """
    if _malloc_trim is None:
        return
    # What lies above has been taken from the system only now (sbrk(2)), and belongs to nobody yet.
    end = _sbrk(0)
    for size in range(LARGE - STEP, 0, -STEP):
        while (piece := _malloc(size) or end) < end:
            pass
        if piece != end:
            _free(piece)


def give_back() -> None:
    """Give the system back the small free pieces that many TLS handshakes leave in malloc. Takes some milliseconds."""
    if _malloc_trim is not None:
        _malloc_trim(0)
