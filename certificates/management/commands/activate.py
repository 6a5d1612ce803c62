"""`activate`: switch the communication server to the prepared or held pair now."""

from certificates.management.orders import SwitchCommand
from certificates.renewal import orders


class Command(SwitchCommand):
    help = "Switches the communication server to the prepared or held pair now, and tells the outcome."
    order = staticmethod(orders.activate)
