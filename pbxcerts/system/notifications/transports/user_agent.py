"""By what name and version a receiver knows us: a header of requests (RFC 9110 section 10.1.5) and of mails (RFC 5536 section 3.2.13)."""

from pbxcerts import __version__

USER_AGENT = f"pbxcerts/{__version__}"
