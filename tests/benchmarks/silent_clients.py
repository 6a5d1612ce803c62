"""An honest request, alone and beside 200 clients that open a connection and say nothing and 200 that say half a request."""

import socket
import time
from functools import partial

from tests.benchmarks.measuring import in_turn, lines_of, run, throw_away
from tests.support.product import Product

CLIENTS = 200
HALF = b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nusername="


def ask(port: int) -> None:
    """The log-in page over a connection of its own: one query and a template."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:100]


class Crowd:
    """The clients that keep the server waiting; here or not."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: list[socket.socket] = []

    def come(self) -> None:
        if self._connections:
            return
        for said in [b""] * CLIENTS + [HALF] * CLIENTS:
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
            connection.sendall(said)
            self._connections.append(connection)
        time.sleep(0.5)

    def go(self) -> None:
        for connection in self._connections:
            connection.close()
        if self._connections:
            time.sleep(0.5)
        self._connections.clear()


def benchmark(rounds):
    alone, beside = "honest request, alone", f"honest request, beside {2 * CLIENTS} that wait"
    with Product(throw_away()) as product:
        product.up()
        product.wait_until_it_answers()
        crowd = Crowd(product.port)
        medians = in_turn(
            rounds,
            {alone: partial(ask, product.port), beside: partial(ask, product.port)},
            {alone: crowd.go, beside: crowd.come},
        )
        crowd.go()
    return lines_of(medians, {(beside, alone): "not kept waiting"})


if __name__ == "__main__":
    run(benchmark)
