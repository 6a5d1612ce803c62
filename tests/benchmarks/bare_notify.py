"""The floor under the NOTIFY client: the same requests from a bare asyncio program with a parser by hand.

It does what RFC 3261 asks of everybody: it repeats over UDP and gives up after 32 s, reads header fields by their name
however it is written, finds the request by branch and method, passes over provisional answers, and answers the digest
challenge of the realm that it has credentials for. And nothing else: it asks not where an answer comes from nor what is wrong
with it.
"""

import asyncio
import hashlib
import secrets
import socket

from tests.benchmarks.sip_fleet import REALM

BUFFER = 4 * 1024 * 1024


class Bare(asyncio.DatagramProtocol):
    def __init__(self, targets, at_most, user, password):
        self.targets, self.at_most = iter(targets), at_most
        self.user, self.password = user, password
        self.open, self.statuses = {}, []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        connection = transport.get_extra_info("socket")
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        self.port = transport.get_extra_info("sockname")[1]
        for _ in range(self.at_most):
            self.next()

    def next(self):
        target = next(self.targets, None)
        if target:
            self.send(target, secrets.token_hex(12), 1, "")
        elif not self.open and not self.done.done():
            self.done.set_result(self.statuses)

    def send(self, target, call_id, cseq, authorization):
        host, port = target
        branch = f"z9hG4bK{call_id}{cseq}"
        request = (
            f"NOTIFY sip:phone@{host}:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch};rport\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:pbxcerts@localhost>;tag={call_id[:8]}\r\n"
            f"To: <sip:phone@{host}:{port}>\r\n"
            f"Call-ID: {call_id}\r\n"
            f"CSeq: {cseq} NOTIFY\r\n"
            f"Contact: <sip:127.0.0.1:{self.port}>\r\n"
            f"{authorization}"
            "Event: check-sync\r\n"
            "Subscription-State: terminated\r\n"
            "User-Agent: bare\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode()
        now = self.loop.time()
        again = self.loop.call_at(now + 0.5, self.again, branch, 1.0)
        self.open[branch] = target, call_id, cseq, request, now + 32, again
        self.transport.sendto(request, target)

    def again(self, branch, interval):
        target, call_id, cseq, request, end, _ = self.open[branch]
        now = self.loop.time()
        if now >= end:
            del self.open[branch]
            self.statuses.append(None)
            self.next()
            return
        self.transport.sendto(request, target)
        again = self.loop.call_at(min(now + interval, end), self.again, branch, min(2 * interval, 4.0))
        self.open[branch] = target, call_id, cseq, request, end, again

    def datagram_received(self, answer, _source):
        status, headers = parse(answer)
        branch = branch_of(headers["via"])
        if status < 200 or branch not in self.open or not headers["cseq"].endswith(" NOTIFY"):
            return
        target, call_id, cseq, _, _, again = self.open.pop(branch)
        again.cancel()
        if status == 401 and cseq == 1 and (authorization := self.authorization(headers["www-authenticate"], target)):
            self.send(target, call_id, 2, authorization)
            return
        self.statuses.append(status)
        self.next()

    def authorization(self, challenge, target):
        """The header line; None where somebody else's password is asked for."""

        def value(name):
            start = challenge.index(f'{name}="') + len(name) + 2
            return challenge[start : challenge.index('"', start)]

        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()

        realm, nonce, cnonce = value("realm"), value("nonce"), secrets.token_hex(8)
        if realm != REALM:
            return None
        uri = f"sip:phone@{target[0]}:{target[1]}"
        secret, what = md5(f"{self.user}:{realm}:{self.password}"), md5(f"NOTIFY:{uri}")
        response = md5(f"{secret}:{nonce}:00000001:{cnonce}:auth:{what}")
        return (
            f'Authorization: Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", qop=auth, nc=00000001, cnonce="{cnonce}", algorithm=MD5\r\n'
        )


def parse(answer):
    """The status, and the header fields by their name in lower case."""
    first, *lines = answer[: answer.index(b"\r\n\r\n")].decode().split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return int(first.split(" ", 2)[1]), headers


def branch_of(via):
    for parameter in via.split(";"):
        name, _, value = parameter.partition("=")
        if name == "branch":
            return value
    return None


async def notify_all(targets, *, at_most, user, password):
    """The statuses of all answers."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Bare(targets, at_most, user, password), local_addr=("0.0.0.0", 0)
    )
    try:
        return await protocol.done
    finally:
        transport.close()
