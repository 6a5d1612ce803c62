"""Whole numbers in URLs: `<number:pk>` in place of Django's `<int:pk>`, which has no bound (rule bounded-numbers)."""

MOST = 2**31 - 1
"""What every column for a number can hold, in SQLite and in PostgreSQL (its `integer`)."""


class NumberConverter:
    """A number that a row may have. Any other is no URL of ours, so it is not found before a view or a query sees it."""

    regex = "[0-9]{1,10}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if number > MOST:
            raise ValueError("no row has this number")
        return number

    def to_url(self, value: int) -> str:
        return str(value)
