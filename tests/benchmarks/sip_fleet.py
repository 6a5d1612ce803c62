"""SIP telephones on 127.1.x.y, all on one port, that answer a NOTIFY at once; every second of them challenges it first.

A process of its own: `python -m tests.benchmarks.sip_fleet PORT`. Several share a port, and the system gives each sender
and telephone to one of them. It says "ready", then a line of JSON for each line it reads: what it has seen since.
"""

import asyncio
import json
import resource
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack

import uvloop

from tests.support.product import ROOT

IP_PKTINFO = 8
"""<linux/in.h>; the socket module does not name it. With it a datagram's destination is known, and answers come from there."""
BUFFER = 4 * 1024 * 1024
PHONES = 10_000
REALM, USER, PASSWORD = "phones", "phone", "tea"

OK = b"SIP/2.0 200 OK\r\n"
CHALLENGE = (
    b"SIP/2.0 401 Unauthorized\r\n"
    b'WWW-Authenticate: Digest realm="phones", nonce="0123456789abcdef", qop="auth", algorithm=MD5\r\n'
)
COPIED = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")


def address_of(number):
    return f"127.1.{number // 250}.{number % 250 + 1}"


class Phones:
    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for level, option, value in [
            (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
            (socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER),
            (socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER),
            (socket.IPPROTO_IP, IP_PKTINFO, 1),
        ]:
            self.socket.setsockopt(level, option, value)
        self.socket.bind(("0.0.0.0", port))
        self.socket.setblocking(False)
        self.forget()

    def forget(self):
        self.answers, self.requests, self.repeated = {}, 0, 0
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu = used.ru_utime + used.ru_stime

    def report(self):
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = used.ru_utime + used.ru_stime - self.cpu
        seen = {"requests": self.requests, "repeated": self.repeated, "cpu": cpu * 1000}
        self.forget()
        return seen

    def heard(self, address):
        """The telephone at this address has taken its NOTIFY; `address`: four octets."""

    def read(self):
        while True:
            try:
                request, ancillary, _, sender = self.socket.recvmsg(4096, 64)
            except BlockingIOError:
                return
            self.requests += 1
            copied = [line for line in request.split(b"\r\n") if line.startswith(COPIED)]
            call = copied[3], copied[4]
            if call in self.answers:
                self.repeated += 1
            else:
                packet_info = ancillary[0][2]
                first = packet_info[11] % 2 and b"\r\nAuthorization: Digest " not in request
                copied[0] += b";received=127.0.0.1"
                self.answers[call] = (
                    (CHALLENGE if first else OK) + b"\r\n".join(copied) + b"\r\nContent-Length: 0\r\n\r\n"
                )
                if not first:
                    self.heard(tuple(packet_info[8:12]))
            # The interface is for the system to choose, the source is the address that was called.
            source = bytes(4) + ancillary[0][2][8:12] + bytes(4)
            self.socket.sendmsg([self.answers[call]], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, sender)


async def serve(phones_of):
    phones = phones_of()
    loop = asyncio.get_running_loop()
    loop.add_reader(phones.socket, phones.read)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(json.dumps(phones.report()) + "\n")
        sys.stdout.flush()


class Fleet:
    """The telephones' processes, from `with` to its end."""

    def __init__(self, port, *, module="tests.benchmarks.sip_fleet", arguments=(), processes=2):
        self.port, self._count = port, processes
        self._command = [sys.executable, "-m", module, str(port), *arguments]

    def __enter__(self):
        self._stack = ExitStack()
        self._processes = [
            self._stack.enter_context(
                subprocess.Popen(self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(self._count)
        ]
        for process in self._processes:
            assert process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *failure):
        for process in self._processes:
            process.stdin.close()
        self._stack.close()

    def report(self):
        """What all of them have seen since the last report: {requests, repeated, cpu in ms}."""
        total = Counter()
        for process in self._processes:
            process.stdin.write("\n")
            process.stdin.flush()
            total.update(json.loads(process.stdout.readline()))
        return total


if __name__ == "__main__":
    uvloop.run(serve(lambda: Phones(int(sys.argv[1]))))
