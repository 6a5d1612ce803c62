"""The mark of the store: which installation writes it, and how far in its history it is (rule store-mark)."""

import json
import re
from dataclasses import asdict, dataclass, field, fields

from certificates.communication_server.errors import NoMark
from certificates.communication_server.publication import Publication

HIGHEST_RANK = 2**31 - 1
_HEX = re.compile(r"[0-9a-f]{32,64}", re.ASCII)


@dataclass(frozen=True)
class StoreMark:
    """`installation` is the random id of the database that published last. `change` and `changed_at` are the newest change
    of state in its history by then, 0 and "" where there was none; a database that has this change knows the mark.

    `highest` is the highest number that was ever given, `withdrawn` the SHA-256 of the host certificates of withdrawn pairs.
    `proof` is "" or what the installation has sealed: which pairs it has put there (`certificates.renewal.standing`). `links`
    are the symlinks that were wanted then, `ranks` say by the SHA-256 of its host certificate how many pairs had taken over before
    each that is handed out; both are empty in a mark of before they stood there.
    """

    installation: str
    change: int = 0
    changed_at: str = ""
    highest: int = 0
    withdrawn: tuple[str, ...] = ()
    proof: str = ""
    links: dict[str, str] = field(default_factory=dict, hash=False)
    ranks: dict[str, int] = field(default_factory=dict, hash=False)

    def content(self) -> bytes:
        return (json.dumps(asdict(self), indent=1) + "\n").encode()

    def not_yet_shown(self, wanted: Publication) -> frozenset[str]:
        """What differs in the store only because something else belongs there since this mark was written: an order, or the end
        of a pair in the bundle, which the next round publishes (rule not-yet-published). What is served is never among it.
        """
        if not self.links:
            return frozenset()
        moved = {name for name in ("trust.pem", "next") if self.links.get(name) != wanted.links.get(name)}
        return frozenset({*moved, *(wanted.links[name] for name in moved & {"trust.pem"} & wanted.links.keys())})

    @classmethod
    def read(cls, content: bytes) -> "StoreMark":
        """Raises NoMark."""
        try:
            values = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise NoMark(f"no mark: {error}") from error
        if not isinstance(values, dict) or {"links", "ranks", *values} != {one.name for one in fields(cls)}:
            raise NoMark("no mark: other names")
        links, ranks = values.get("links", {}), values.get("ranks", {})
        numbers, withdrawn = (values["change"], values["highest"]), values["withdrawn"]
        if (
            any(type(number) is not int or not 0 <= number < 2**63 for number in numbers)
            or not isinstance(values["changed_at"], str)
            or not isinstance(values["proof"], str)
            or not isinstance(withdrawn, list)
            or not all(isinstance(name, str) and _HEX.fullmatch(name) for name in [values["installation"], *withdrawn])
            or not isinstance(ranks, dict)
            or not all(type(rank) is int and 0 <= rank < HIGHEST_RANK for rank in ranks.values())
            or not isinstance(links, dict)
            or not all(isinstance(target, str) for target in links.values())
        ):
            raise NoMark("no mark: a value is of another kind")
        return cls(**values | {"withdrawn": tuple(withdrawn)})
