"""A hundred thousand terminals beside a thousand: pages, heartbeat, search, and the import of a file, each ratio beside its goal.

Two databases with three generations each, the last of them in the middle of its rollout; they are asked in turn.
"""

from __future__ import annotations

import resource
import shutil
from functools import partial
from pathlib import Path

from tests.benchmarks.measuring import Line, in_turn, lines_of, run, set_up_django

directory = set_up_django()

from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from pbxcerts.heartbeat import beat
from pbxcerts.system.models import Role, User
from terminals.directory.csv import csv_files, import_plan
from terminals.models import DeliverySettings, Rollout, Terminal
from tests.benchmarks.answering_fleet import AT_ONCE, roll_out
from tests.benchmarks.filled import fill
from tests.benchmarks.past import ROOM, a_handover_under_way, set_past

FEW, MANY = 1_000, 100_000
PER_PAGE = 50


def use(file: Path) -> None:
    connection.close()
    connection.settings_dict["NAME"] = file


def page(client: Client, url: str, file: Path) -> None:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)


def settled(file: Path, action) -> None:
    """Warm: what is measured is the page, not the opening of the database."""
    use(file)
    action()


def csv_file(count: int) -> bytes:
    rows = (f"{n},desk {n},Mitel 6867i,{n:012X},10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}" for n in range(count))
    return "\n".join(["number,name,type,mac,address", *rows]).encode()


def import_all(content: bytes) -> None:
    import_plan.carry_out(import_plan.plan_of(csv_files.read(content, csv_files.OF_A_COMMAND)))


def benchmark(rounds):
    few, many = (FEW, MANY) if rounds > 1 else (60, 600)
    settings.ALLOWED_HOSTS = ["testserver"]
    a_handover_under_way()
    set_past(3)
    client = Client()
    user = User.objects.create_user("anna", password="seven copper kettles", role=Role.VIEW)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    connection.close()
    empty = Path(connection.settings_dict["NAME"])
    files = {count: empty.with_name(f"with-{count}.sqlite3") for count in (few, many)}
    for count, file in files.items():
        shutil.copy(empty, file)
        use(file)
        fill(count)
        beat()
        Rollout.objects.update(state="paused")
        beat()
    listed, type_ = reverse("terminals:terminals"), Terminal.objects.order_by("pk")[1].type_id
    last = {count: count // PER_PAGE for count in files}
    urls = {
        "list": ("", "at most 1.2"),
        "list, last page": ("page={last}", "at most 1.2"),
        "list, page in the middle": ("page={middle}", ""),
        "list by state": ("order=state", "at most 1.2"),
        "list by state, last page": ("order=-state&page={last}", "at most 1.2"),
        "list by last contact": ("order=-contact", "at most 1.2"),
        "list by type": ("order=type", "at most 1.2"),
        "list by type, last page": ("order=type&page={last}", "at most 1.2"),
        "list of a type": (f"type={type_}", "at most 1.2"),
        "list of failed ones": ("state=failed", "at most 1.2"),
        "list of confirmed ones": ("state=confirmed", "at most 1.2"),
        "list of failed ones of a type": (f"state=failed&type={type_}", "at most 1.2"),
        "search for one": ("text=1000017", "at most 1.2"),
        "search for what all have": ("text=desk", "at most 1.2"),
        "search by the end of a MAC": ("text=00:00:2A", "at most 1.2"),
        "search by a whole MAC": ("text=00:08:5D:00:00:2A", "at most 1.2"),
        "search by the start of all MACs": ("text=00:08:5D", "at most 1.2"),
        "search for nobody": ("text=nobody", "at most 1.2"),
    }
    actions, beside = {}, {}

    def compare(name, goal, make):
        for count, file in files.items():
            actions[f"{name}, {count}"] = make(count, file)
        beside[(f"{name}, {many}", f"{name}, {few}")] = goal

    for name, (query, goal) in urls.items():
        compare(
            name,
            goal,
            lambda count, file, query=query: partial(
                page, client, f"{listed}?{query.format(last=last[count], middle=last[count] // 2)}", file
            ),
        )
    other = {
        "overview": ("certificates:overview", "at most 1.2"),
        "rollout page": ("terminals:rollout:overview", "at most 1.5"),
        "work list": ("terminals:work_list:list", "at most 1.2"),
    }
    for name, (route, goal) in other.items():
        compare(name, goal, lambda _count, file, route=route: partial(page, client, reverse(route), file))
    compare("heartbeat with nothing due", "at most 1.5", lambda _count, _file: beat)
    before = {name: partial(settled, files[int(name.rpartition(", ")[2])], action) for name, action in actions.items()}
    lines = lines_of(in_turn(rounds, actions, before), beside)
    size = files[many].stat().st_size / 1_000_000
    lines.append(Line(f"database of {many} terminals", f"{size:.0f} MB"))
    return [*lines, *_imports(empty, (many // 10, many)), *_rollouts(empty, (many // 10, many))]


def anew(empty: Path) -> None:
    """A database without terminals takes the place of the one before."""
    connection.close()
    file = empty.with_name("anew.sqlite3")
    for old in file.parent.glob("anew.sqlite3*"):
        old.unlink()
    shutil.copy(empty, file)
    use(file)


def _rollouts(empty: Path, counts: tuple[int, int]) -> list[Line]:
    """The worker's part of a rollout: who is asked, what is answered, what is proved. Waves are off."""
    names = {count: f"rollout to {count} telephones" for count in counts}
    active, prepared = ROOM + 1, ROOM + 2

    def begin(count: int) -> None:
        anew(empty)
        DeliverySettings.load()
        DeliverySettings.objects.update(waves=False, at_once=AT_ONCE)
        import_all(csv_file(count))

    actions = {name: partial(roll_out, prepared, frozenset({active, prepared})) for name in names.values()}
    medians = in_turn(1, actions, {names[count]: partial(begin, count) for count in counts})
    fewer, more = counts
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return [
        *lines_of(medians, {(names[more], names[fewer]): "at most 11"}),
        Line("most memory of this process, import and rollout", f"{memory:.0f} MB", target="below 500 MB"),
    ]


def _imports(empty: Path, counts: tuple[int, int]) -> list[Line]:
    contents = {count: csv_file(count) for count in counts}
    names = {count: f"import of {count} rows" for count in counts}

    medians = in_turn(
        1,
        {names[count]: partial(import_all, content) for count, content in contents.items()},
        {name: partial(anew, empty) for name in names.values()},
    )
    fewer, more = counts
    return lines_of(medians, {(names[more], names[fewer]): "at most 11"})


if __name__ == "__main__":
    run(benchmark, rounds=7)
