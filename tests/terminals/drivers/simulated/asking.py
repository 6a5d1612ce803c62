"""NOTIFYs for a simulated telephone as a server sends them."""

import re
from itertools import count

from sipmessage import Message

from terminals.sip.notify import Hop, Notify, Transport
from tests.support.makers.ear import listening
from tests.support.phones import CREDENTIALS, ask, run

REQUEST = """\
NOTIFY sip:201@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{number}
From: <sip:pbx.example.com>;tag=a
To: <sip:201@pbx.example.com>
Call-ID: {number}@pbx.example.com
CSeq: 1 NOTIFY
Event: {event}
Content-Length: 0

"""


_numbers = count(1)


def notify(telephone, event, *, number=None):
    """The status of its answer to one NOTIFY without a password, None for silence; it has done what it does. With the same number
    it is the same one, sent again.
    """
    number = number or next(_numbers)
    request = Message.parse(REQUEST.format(event=event, number=number).replace("\n", "\r\n").encode())
    replies = telephone.hears(None, request)
    telephone.act()
    return int(re.match(rb"SIP/2.0 (\d+)", replies[0])[1]) if replies else None


def notify_with_password(telephone, event):
    """What our own client says of it, over a real socket; it knows the password."""
    telephone.password, telephone.realm = CREDENTIALS.password, CREDENTIALS.realm
    with listening(telephone) as port:
        hop = Hop("127.0.0.1", port, Transport.UDP)
        wanted = Notify(0, f"sip:201@127.0.0.1:{port}", event, hop, credentials=(CREDENTIALS,))
        (outcome,) = run(ask(wanted))
    return outcome
