"""10,000 telephones are sent a NOTIFY, half of them challenge it: the client, and a bare asyncio program beside it."""

import asyncio

import uvloop

from terminals.sip.notify import Credentials, Hop, Notify, send_notifies
from tests.benchmarks import bare_notify
from tests.benchmarks.measuring import Line, in_turn, lines_of, run
from tests.benchmarks.sip_fleet import PASSWORD, PHONES, REALM, USER, Fleet, address_of
from tests.support.ports import free_port

AT_MOST = 2000
CREDENTIALS = (Credentials(USER, PASSWORD, REALM),)


async def notify_all(port):
    notifies = (
        Notify(number, f"sip:phone@{host}:{port}", "check-sync", Hop(host, port), CREDENTIALS)
        for number, host in ((number, address_of(number)) for number in range(PHONES))
    )
    return [answer.status async for answer in send_notifies(notifies, at_most=AT_MOST)]


async def notify_all_bare(port):
    targets = ((address_of(number), port) for number in range(PHONES))
    return await bare_notify.notify_all(targets, at_most=AT_MOST, user=USER, password=PASSWORD)


def benchmark(rounds):
    bare, ours, on_uvloop = "bare asyncio program", "NOTIFY client", "NOTIFY client on uvloop"
    seen = {bare: [], ours: [], on_uvloop: []}
    with Fleet(free_port()) as fleet:

        def sample(name, run, notify_all):
            def action():
                assert run(notify_all(fleet.port)) == [200] * PHONES
                seen[name].append(fleet.report())

            return action

        medians = in_turn(
            rounds,
            {
                bare: sample(bare, asyncio.run, notify_all_bare),
                ours: sample(ours, asyncio.run, notify_all),
                on_uvloop: sample(on_uvloop, uvloop.run, notify_all),
            },
        )
    lines = lines_of(medians, {(ours, bare): "at most 1.5", (on_uvloop, bare): ""})
    for name, reports in seen.items():
        repeated = sum(report["repeated"] for report in reports)
        cpu = sum(report["cpu"] for report in reports) / len(reports)
        lines.append(Line(f"telephones of the {name}", value=f"{cpu:.0f} ms cpu a run, {repeated} requests repeated"))
    return lines


if __name__ == "__main__":
    run(benchmark, rounds=5)
