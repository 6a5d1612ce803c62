"""An installation in the middle of a handover, with as much past behind it as is wanted."""

from datetime import timedelta

from django.db import connection, transaction

from certificates.models import Generation, Settings, Switch, Transition
from certificates.renewal.orders import GenerationOrder, order_generation
from pbxcerts.heartbeat import beat
from pbxcerts.system.models import EventMessage, General
from pbxcerts.system.time import timekeeping

ROOM = 1000
"""How many generations there can be before the active one."""


def a_pair_in_service() -> None:
    """The clock is not asked, because nobody answers."""
    general = General.load()
    general.fqdn, general.ip_addresses, general.on_this_machine = "pbx.example.org", ["192.0.2.10"], False
    general.save()
    Settings.load()
    Generation.objects.create(
        number=ROOM,
        state="failed",
        replaces=0,
        trigger="page",
        key_type="rsa2048",
        ordered_at=timekeeping.now(),
    )
    _generate()


def a_handover_under_way() -> None:
    """A pair is active and one is prepared."""
    if not Generation.objects.exists():
        a_pair_in_service()
    _generate()
    states = Generation.objects.order_by("number").values_list("number", "state")
    assert list(states) == [(ROOM, "failed"), (ROOM + 1, "active"), (ROOM + 2, "prepared")]


def _generate() -> None:
    order_generation(timekeeping.current_clock(), GenerationOrder(Generation.Trigger.COMMAND, without_clock=True))
    beat()


@transaction.atomic
def set_past(count: int) -> None:
    """With the active and the failed one there are so many generations, each with what it left behind."""
    with connection.cursor() as cursor:
        for table in ("switch", "transition"):
            column = "to_id" if table == "switch" else "generation_id"
            cursor.execute(f"DELETE FROM certificates_{table} WHERE {column} < {ROOM}")
        cursor.execute(f"DELETE FROM certificates_generation WHERE number < {ROOM}")
        cursor.execute("DELETE FROM system_eventmessage WHERE kind = 'past'")
    active = Generation.objects.get(number=ROOM + 1)
    assert active.made_at is not None
    numbers = range(ROOM - count + 2, ROOM)
    Generation.objects.bulk_create([_superseded(number, active) for number in numbers])
    at = active.made_at
    Transition.objects.bulk_create(
        Transition(generation_id=number, to_state=state, at=at)
        for number in numbers
        for state in ("making", "prepared", "active", "superseded")
    )
    Switch.objects.bulk_create(
        Switch(to_id=number, why="deadline", ordered_at=at, finished_at=at, running=None) for number in numbers
    )
    EventMessage.objects.bulk_create(
        EventMessage(kind="past", subject=str(number), severity="normal", raised_at=at, cleared_at=at)
        for number in numbers
        for _ in range(3)
    )


def _superseded(number: int, like: Generation) -> Generation:
    values = {field.attname: getattr(like, field.attname) for field in Generation._meta.concrete_fields}
    before = timedelta(days=365 * (ROOM - number))
    times = {name: values[name] - before for name in ("ordered_at", "made_at", "not_before", "planned", "end")}
    return Generation(
        **values
        | times
        | {"number": number, "replaces": number - 1, "state": "superseded", "host_key": None, "took_over_from_id": None}
    )
