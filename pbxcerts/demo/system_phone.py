"""A simulated IP system phone: the product's own agent, with a trust store in the demonstration's directory."""

import ipaddress
from pathlib import Path

from pbxcerts.system.network.endpoint import Endpoint
from terminals.agent.config import AgentConfig, FirstTrust, ServerUrl, SipConfig
from terminals.agent.service import Agent

_LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")


def system_phone(
    *, store: Path, listen: Endpoint, token: str, https: Endpoint, proof: Endpoint, first_root: Path
) -> Agent:
    config = AgentConfig(
        server=ServerUrl(secure=True, endpoint=https, path=""),
        proof=ServerUrl(secure=True, endpoint=proof, path=""),
        token=token,
        store=store,
        first_trust=FirstTrust(file=first_root),
        sip=SipConfig(listen, (_LOOPBACK,)),
    )
    return Agent(config)
