"""`rollback`: switch back to the pair that the active one took over from."""

from certificates.management.orders import SwitchCommand
from certificates.renewal import orders


class Command(SwitchCommand):
    help = "Switches the communication server back to the pair served before, and tells the outcome."
    order = staticmethod(orders.roll_back)
