"""Other machines of the installation, as their heartbeats have left them in the database."""

from django.conf import settings

from pbxcerts.system.machines import shared_secrets
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.time import timekeeping

OWN, OTHER = settings.MACHINE, "0" * 31 + "1"


def add(key=OTHER, *, name="west", **values):
    """A machine that runs both processes and has the secrets of this one."""
    # First our own: a database in a file is that of the machine that it lies on.
    Heartbeat.load()
    said = {"works": True, "serves": True, "secrets": shared_secrets.fingerprints(), "version": "1.0.0", "beats": 7}
    return Heartbeat.objects.create(key=key, name=name, **said | values)


def publishes_here():
    Heartbeat.load()
    Heartbeat.own().update(publishes=True, works=True, serves=True, name="east")


def read(machine=None):
    """All of them, and what this machine then knows of them."""
    found = Machines.load(machine.read() if machine else timekeeping.read_machine())
    # Its name would be that of the machine on which the tests run.
    told = {name: value for name, value in found.told().items() if name not in {"beats", "name"}}
    Heartbeat.own().update(**told)
    found.tell_own_processes()
    return found
