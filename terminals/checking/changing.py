"""Change what became of many telephones at once (rules checking, one-writer)."""

from typing import Any

from terminals.batches import in_batches, one_writer
from terminals.checking.models import CheckingQuerySet


def change(rows: CheckingQuerySet, **values: Any) -> None:
    """They are looked for before anything is locked; those that are no longer what they were are left out."""
    for batch in in_batches(list(rows.order_by().values_list("pk", flat=True))):
        with one_writer():
            rows.filter(pk__in=batch).changed_to(**values)


def delete(rows: CheckingQuerySet) -> None:
    for batch in in_batches(list(rows.order_by().values_list("pk", flat=True))):
        with one_writer():
            rows.filter(pk__in=batch).delete()
