"""German as it stands in a sentence: „am 2. Januar 2026, 01:00 Uhr“, and so that a line ends in none of its halves."""

DATETIME_FORMAT = "j.\N{NO-BREAK SPACE}F Y, H:i\N{NO-BREAK SPACE}\\U\\h\\r"
SHORT_DATETIME_FORMAT = "d.m.Y, H:i"
