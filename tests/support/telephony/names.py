"""A name server that knows one address: everything is on loopback. Telephones with a resolver of their own ask it."""

import socket
import struct
import threading

TYPE_A = 1
ANSWER = 0x8400  # RFC 1035 section 4.1.1: a response, authoritative


class NameServer:
    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:{1}".format(*self.socket.getsockname())
        self.thread = threading.Thread(target=self._serve, name="name server")
        self.thread.start()
        return self

    def __exit__(self, *failure):
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()

    def _serve(self):
        while query := self.socket.recvfrom(512):
            message, asker = query
            if not message:
                return
            self.socket.sendto(_answer(message), asker)


def _answer(query):
    end = query.index(b"\0", 12) + 5
    kind = struct.unpack("!H", query[end - 4 : end - 2])[0]
    records = b""
    if kind == TYPE_A:
        name_of_the_question = b"\xc0\x0c"
        records = name_of_the_question + struct.pack("!HHIH", TYPE_A, 1, 60, 4) + socket.inet_aton("127.0.0.1")
    return query[:2] + struct.pack("!HHHHH", ANSWER, 1, bool(records), 0, 0) + query[12:end] + records
