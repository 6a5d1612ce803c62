"""What the kernel keeps of a client, which it gets from the socket that listens (tcp(7), socket(7))."""

import socket

RECEIVED, SENT = 16 * 1024, 64 * 1024
"""Octets that the kernel keeps for a connection until we read them, and until they are acknowledged; it takes up to twice as much.
By itself it would let both grow to megabytes for a client that pushes, or that does not read.
"""


def bound_clients(listener: socket.socket) -> None:
    """Bound what is kept of each client that comes from now on, and let the kernel send at once what it is given.

    A client has it from his first segment on. Set when he is accepted, it would take back what he was promised, and what is lost by that
    is sent again a fifth of a second later.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT)
