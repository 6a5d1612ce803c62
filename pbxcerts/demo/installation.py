"""What the demonstration's product has at its beginning: a person, settings, telephones of every method, and a first pair that
all of them trust.
"""

import json
from dataclasses import dataclass
from datetime import time

from certificates.models import Generation, KeyTypes, Settings, WhoCounts
from certificates.renewal import orders as certificate_orders
from certificates.renewal.handover import known_terminals
from certificates.renewal.orders import GenerationOrder
from certificates.renewal.rounds import reconcile
from certificates.renewal.situation import Situation
from certificates.status.observing import communication_server
from pbxcerts.demo.stage import LOOPBACK, USER, Stage, ports_of_system_phones
from pbxcerts.demo.telephones import TIME_SERVERS
from pbxcerts.system.models import General, User
from pbxcerts.system.network.endpoint import Endpoint
from pbxcerts.system.time import timekeeping
from terminals.directory import device_tokens
from terminals.models import NotifyWays, Terminal, TerminalType
from terminals.rollout import orders as rollout_orders
from terminals.rollout.rounds import reconcile_rollouts

SIP_SERVER_NAME = "pbx.example.org"
NAMES = (
    *("Keller", "Meier", "Rossi", "Huber", "Weber", "Favre", "Brunner", "Schmid", "Frei", "Moser"),
    *("Zimmermann", "Gerber", "Bianchi", "Steiner", "Graf", "Roth", "Suter", "Baumann", "Fischer", "Kunz"),
)
FIRST_NUMBER = 201


@dataclass(frozen=True)
class Kind:
    """A type of terminal, and how many of each ten there are. `maker`: the first half of a MAC; "" where it needs none."""

    name: str
    of_ten: int
    method: str
    maker: str = ""


KINDS = (
    Kind("Mitel 6867i", 2, "mitel_sip", "00085D"),
    Kind("Mitel 6930", 1, "mitel_sip", "00085D"),
    Kind("Mitel 5370 IP", 1, "ip_system"),
    Kind("pbxcerts-agent", 1, "ip_system"),
    Kind("Yealink", 1, "yealink", "001565"),
    Kind("Snom", 1, "snom", "000413"),
    Kind("Grandstream", 1, "grandstream", "000B82"),
    Kind("Flyingvoice", 1, "flyingvoice", "0021F2"),
    Kind("Gigaset", 1, "sip_standard"),
)
"""Every delivery method; the last one is hand work."""


def furnish(stage: Stage, *, number: int, language: str) -> None:
    """So many terminals; `cast` of the stage says who is to be played."""
    User.objects.create_superuser(USER, password=stage.password)
    _settings(stage, language)
    _terminals(stage, number)
    tokens = {one.number: one.token for one in device_tokens.issue_missing()}
    rows = list(Terminal.objects.select_related("type"))
    cast = {
        "desk": [
            {
                "method": row.type.method,
                "address": Endpoint.parse(row.address).host,
                "model": row.type.model,
                "mac": row.mac,
                "secret": row.path_secret,
            }
            for row in rows
            if row.mac
        ],
        "system": [
            {"number": row.number, "port": Endpoint.parse(row.address).port, "token": tokens[row.number]}
            for row in rows
            if row.number in tokens
        ],
    }
    stage.cast.write_text(json.dumps(cast))


def make_first_pair(stage: Stage) -> None:
    """It is served at once, and every telephone has its root already, as a person gave it to them."""
    timekeeping.check_clock()
    clock = timekeeping.current_clock()
    order = GenerationOrder(Generation.Trigger.COMMAND, by=USER, without_clock=True)
    made = certificate_orders.order_generation(clock, order)
    reconcile(clock, terminals=known_terminals(), server=communication_server())
    situation = Situation.load(timekeeping.current_clock())
    reconcile_rollouts(situation)
    at = situation.clock.best
    rollout_orders.confirm(situation, Terminal.objects.all(), generation=made.number, by=USER, at=at)
    Terminal.objects.update(last_contact=at)
    stage.first_root.write_text(Generation.objects.get(number=made.number).root_pem)


def _settings(stage: Stage, language: str) -> None:
    general = General.load()
    general.site_name = "Demonstration"
    general.language = language
    general.fqdn, general.ip_addresses, general.on_this_machine = SIP_SERVER_NAME, [LOOPBACK], False
    general.own_names, general.own_addresses = ["localhost"], [LOOPBACK]
    general.tls_addresses = [f"{LOOPBACK}:{stage.server}"]
    general.ntp_enabled, general.ntp_servers = True, [f"{address}:{stage.time}" for address in TIME_SERVERS]
    general.save()
    settings = Settings.load()
    settings.interval_days, settings.overlap_days = 365, 30
    settings.key_type, settings.handover_counts = KeyTypes.P256, WhoCounts.ALL
    # Telephones are to wait for the night, whenever somebody looks at the demonstration.
    is_night = timekeeping.machine_time().astimezone(general.zone).hour < 8
    settings.generation_time = time(14) if is_night else time(2)
    settings.save()


def _terminals(stage: Stage, number: int) -> None:
    # One of each first, so that a few terminals show all there is.
    turns = [kind for each in range(10) for kind in KINDS if each < kind.of_ten]
    # Those of the other makers are by hand, or in no list, until an administrator chooses their own provisioning.
    types = {
        kind.name: TerminalType.objects.update_or_create({"method": kind.method}, name=kind.name)[0] for kind in KINDS
    }
    ports = ports_of_system_phones(stage)
    rows = []
    for at in range(number):
        kind = turns[at % len(turns)]
        address = ""
        if kind.maker:
            address = str(Endpoint(_own_address(at), stage.sip))
        elif kind.method == "ip_system":
            address = str(Endpoint(LOOPBACK, next(ports)))
        rows.append(
            Terminal(
                number=str(FIRST_NUMBER + at),
                name=f"{'ABCDEFGH'[at // len(NAMES) % 8]}. {NAMES[at % len(NAMES)]}",
                type=types[kind.name],
                mac=f"{kind.maker}{at:06X}" if kind.maker else None,
                address=address,
                way=NotifyWays.DIRECT if address else "",
            )
        )
    Terminal.objects.bulk_create(rows)


def _own_address(at: int) -> str:
    """All of 127.0.0.0/8 is this machine, so each desk telephone has an address of its own, as in an office."""
    return f"127.0.{1 + at // 200}.{1 + at % 200}"
