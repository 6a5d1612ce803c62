"""The floor under the NOTIFY client: the same requests from a bare asyncio program that parses by hand.

It has RFC 3261's timers and answers a digest challenge, and nothing else: it asks not where an answer comes from nor what is
wrong with it, and takes all of them for what these telephones send.
"""

import asyncio
import hashlib
import secrets
import socket

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
        request = (
            f"NOTIFY sip:phone@{host}:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{call_id}{cseq};rport\r\n"
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
        started = self.loop.time()
        again = self.loop.call_later(0.5, self.again, call_id, 1.0)
        self.open[call_id] = target, cseq, request, started + 32, again
        self.transport.sendto(request, target)

    def again(self, call_id, interval):
        target, cseq, request, end, _ = self.open[call_id]
        if self.loop.time() >= end:
            del self.open[call_id]
            self.statuses.append(None)
            self.next()
            return
        self.transport.sendto(request, target)
        again = self.loop.call_later(interval, self.again, call_id, min(2 * interval, 4.0))
        self.open[call_id] = target, cseq, request, end, again

    def datagram_received(self, answer, _source):
        head = answer.decode()
        start = head.index("Call-ID: ") + 9
        call_id = head[start : head.index("\r\n", start)]
        start = head.index("CSeq: ") + 6
        cseq = int(head[start : head.index(" ", start)])
        there = self.open.get(call_id)
        if there is None or there[1] != cseq:
            return
        target, _, _, _, again = self.open.pop(call_id)
        again.cancel()
        status = int(head[8:11])
        if status == 401 and cseq == 1:
            self.send(target, call_id, 2, self.authorization(head, target))
            return
        self.statuses.append(status)
        self.next()

    def authorization(self, head, target):
        def value(name):
            start = head.index(f'{name}="') + len(name) + 2
            return head[start : head.index('"', start)]

        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()

        realm, nonce, cnonce = value("realm"), value("nonce"), secrets.token_hex(8)
        uri = f"sip:phone@{target[0]}:{target[1]}"
        secret, what = md5(f"{self.user}:{realm}:{self.password}"), md5(f"NOTIFY:{uri}")
        response = md5(f"{secret}:{nonce}:00000001:{cnonce}:auth:{what}")
        return (
            f'Authorization: Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", qop=auth, nc=00000001, cnonce="{cnonce}", algorithm=MD5\r\n'
        )


async def notify_all(targets, *, at_most, user, password):
    """The statuses of all answers."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Bare(targets, at_most, user, password), local_addr=("0.0.0.0", 0)
    )
    try:
        return await protocol.done
    finally:
        transport.close()
