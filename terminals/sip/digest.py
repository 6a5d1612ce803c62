"""Digest authentication of a request without a body: MD5 and SHA-256, with and without -sess, qop "auth" or none.

RFC 7616, RFC 3261 section 22.4 and RFC 8760; without qop the older form of RFC 2069.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

LONGEST_VALUE = 4096
"""Characters of one header field with challenges."""

_TOKEN = r"[!%*+.\w`'~-]++"  # noqa: S105 - RFC 3261 section 25.1
# Control characters are in no part of it: the nonce is sent back, and a bare line feed in it would begin a header there.
_PART = re.compile(
    rf"[\s,]*+({_TOKEN})(?:\s*+=\s*+"
    r'(?:"([^"\\\x00-\x1f\x7f]*+(?:\\[^\x00-\x1f\x7f][^"\\\x00-\x1f\x7f]*+)*+)"|([^\s,"\x00-\x1f\x7f]++))'
    rf"|\s++(?={_TOKEN}\s*+=))",
    re.ASCII,
)
"""A parameter with its value, quoted or not, or the name of a scheme and neither."""
_ESCAPED = re.compile(r"\\(.)")
_TO_ESCAPE = re.compile(r'["\\]')

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Good for one realm, compared exactly; "" is no realm."""

    username: str
    password: str = field(repr=False)
    realm: str


class Challenge(NamedTuple):
    """One challenge. `nonce` and `opaque` stand as between their quotation marks, escapes included: they go back so."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qops: frozenset[str] = frozenset()
    opaque: str | None = None
    stale: bool = False
    raw_realm: str | None = None

    @property
    def can_be_answered(self) -> bool:
        known = self.algorithm.upper().removesuffix("-SESS") in _HASHES
        return known and (not self.qops or "auth" in self.qops)

    @property
    def is_strong(self) -> bool:
        return self.algorithm.upper().startswith("SHA-256")


def read_challenges(value: str) -> list[Challenge]:
    """The Digest challenges of WWW-Authenticate or Proxy-Authenticate, where each line is one field; the rest is left out."""
    return [challenge for line in value.split("\n") if len(line) <= LONGEST_VALUE for challenge in _read_line(line)]


def _read_line(value: str) -> list[Challenge]:
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    position = 0
    while part := _PART.match(value, position):
        position = part.end()
        name, quoted, plain = part.groups()
        given = plain if quoted is None else quoted
        if given is not None:
            parameters.setdefault(name.lower(), given)
            continue
        if challenge := _challenge(parameters):
            challenges.append(challenge)
        parameters = {"": name}
    if challenge := _challenge(parameters):
        challenges.append(challenge)
    return challenges


def _challenge(parameters: dict[str, str]) -> Challenge | None:
    if parameters.get("", "").lower() != "digest" or "realm" not in parameters or "nonce" not in parameters:
        return None
    return Challenge(
        _unescaped(parameters["realm"]),
        parameters["nonce"],
        parameters.get("algorithm", "MD5"),
        frozenset(parameters.get("qop", "").lower().replace(",", " ").split()),
        parameters.get("opaque"),
        parameters.get("stale", "").lower() == "true",
        parameters["realm"],
    )


class Authorization:
    """The answer to one challenge, for every request that carries it: the nonce count grows with each."""

    def __init__(self, challenge: Challenge, credentials: Credentials) -> None:
        self._challenge = challenge
        self._credentials = credentials
        self._count = 0

    def value(self, *, method: str, uri: str, cnonce: str) -> str:
        """The value of an Authorization or Proxy-Authorization field (RFC 7616 section 3.4)."""
        self._count += 1
        challenge, credentials = self._challenge, self._credentials
        algorithm = challenge.algorithm.upper()
        hashing = _HASHES[algorithm.removesuffix("-SESS")]
        is_session = algorithm.endswith("-SESS")
        realm = challenge.raw_realm if challenge.raw_realm is not None else challenge.realm

        secret = _hash(hashing, f"{credentials.username}:{realm}:{credentials.password}")
        if is_session:
            secret = _hash(hashing, f"{secret}:{challenge.nonce}:{cnonce}")
        what = _hash(hashing, f"{method}:{uri}")
        fields = [
            f'username="{_escaped(credentials.username)}"',
            f'realm="{realm}"',
            f'nonce="{challenge.nonce}"',
            f'uri="{uri}"',
        ]
        if challenge.qops:
            count = f"{self._count:08x}"
            response = _hash(hashing, f"{secret}:{challenge.nonce}:{count}:{cnonce}:auth:{what}")
            fields += [f'response="{response}"', "qop=auth", f"nc={count}", f'cnonce="{cnonce}"']
        else:
            response = _hash(hashing, f"{secret}:{challenge.nonce}:{what}")
            fields.append(f'response="{response}"')
            if is_session:
                fields.append(f'cnonce="{cnonce}"')
        fields.append(f"algorithm={challenge.algorithm}")
        if challenge.opaque is not None:
            fields.append(f'opaque="{challenge.opaque}"')
        return f"Digest {', '.join(fields)}"


def _hash(hashing: Callable[..., hashlib._Hash], text: str) -> str:
    return hashing(text.encode(), usedforsecurity=False).hexdigest()


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(r"\\\g<0>", text) if _TO_ESCAPE.search(text) else text


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
