"""The terminal types of a new installation, as all migrations together have made them."""

from terminals.models import TerminalType

_rows = []


def remember():
    """Called when the tests' database has just been made: a test with transactions of its own empties the tables."""
    _rows[:] = TerminalType.objects.values()


def of_a_new_installation():
    """Not saved, and without keys."""
    return [TerminalType(**row | {"id": None}) for row in _rows]


def know_types():
    """Put them where such a test has been."""
    TerminalType.objects.bulk_create(of_a_new_installation(), ignore_conflicts=True)
