"""German as it stands in a sentence: „am 2. Januar 2026, 01:00 Uhr“. What is not here is Django's."""

DATETIME_FORMAT = r"j. F Y, H:i \U\h\r"
SHORT_DATETIME_FORMAT = "d.m.Y, H:i"
