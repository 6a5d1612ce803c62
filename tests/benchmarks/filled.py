"""A list of terminals in the middle of the rollout of the third generation, with every kind of trouble."""

from datetime import timedelta

from django.utils import timezone

from terminals.batches import execute, in_batches, inserts
from terminals.models import Installation, Terminal, TerminalType, new_path_secret
from tests.benchmarks.past import ROOM

IN_FLIGHT = ("asked", "heard", "fetched")
AT_REST = ("waiting", "confirmed", "absent", "confirmed", "failed", "confirmed", "skipped", "waiting", "downloaded")


def fill(count: int) -> None:
    """So many terminals of every type, by hand one in ten; all have confirmed the active pair and the one before."""
    types = list(TerminalType.objects.order_by("method"))
    automatic = [one.pk for one in types if one.driver.capabilities.automatic]
    by_hand = [one.pk for one in types if not one.driver.capabilities.automatic]
    now, later = timezone.now(), timezone.now() + timedelta(minutes=40)
    numbers = range(count)
    execute(
        inserts(
            Terminal,
            [
                {
                    "number": str(1_000_000 + n),
                    "name": f"desk {n}",
                    "type": by_hand[n // 10 % len(by_hand)]
                    if n % 10 == 0
                    else automatic[0 if n % 2 else n % len(automatic)],
                    # Of one maker: the first half stands in all.
                    "mac": f"00085D{n:06X}",
                    "address": f"10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}",
                    "path_secret": new_path_secret(),
                    "last_contact": now,
                }
                for n in numbers
            ],
        )
    )
    keys = list(Terminal.objects.order_by("pk").values_list("pk", "type__method"))
    past, active, prepared = ROOM - 1, ROOM + 1, ROOM + 2
    for some in in_batches(keys):
        rows = []
        for key, method in some:
            done = {"terminal": key, "state": "confirmed", "confirmed_at": now, "evidence": "fetched", "next_at": None}
            rows += [{**done, "generation": number, "wave": 4} for number in (past, active)]
            if key % (count // 20) < 1 and method != "sip_standard":
                state = IN_FLIGHT[key % 3]
            else:
                state = AT_REST[key % len(AT_REST)]
            confirmed = now if state == "confirmed" else None
            wave = 0 if method == "sip_standard" else 4
            evidence = "fetched" if confirmed else ""
            told = {
                "state": state,
                "confirmed_at": confirmed,
                "evidence": evidence,
                "next_at": None if confirmed else later,
            }
            rows.append({"terminal": key, "generation": prepared, "wave": wave, **told})
        execute(inserts(Installation, rows))
