"""What a declared proxy says about a client in X-Forwarded-For: an address, or nothing."""

from ipaddress import ip_address

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware, _TrustedHosts


class AddressesOnly(_TrustedHosts):
    """As uvicorn reads the header; but what is no address (`unknown`, `unix:`, `_hidden`, RFC 7239 section 6) is nobody's, and
    then the peer's counts. What stands before it in the header anybody could have written.
    """

    def get_trusted_client_address(self, x_forwarded_for: str) -> tuple[str, int]:
        host, port = super().get_trusted_client_address(x_forwarded_for)
        try:
            # A zone (RFC 4007) means something on one machine alone, and PostgreSQL takes none.
            ip_address(host)
            return ("", 0) if "%" in host else (host, port)
        except ValueError:
            return "", 0


def believe_addresses_only(config: uvicorn.Config) -> None:
    """Let a listener believe its proxies so. `config` is loaded."""
    if isinstance(config.loaded_app, ProxyHeadersMiddleware):
        config.loaded_app.trusted_hosts = AddressesOnly(config.forwarded_allow_ips)
