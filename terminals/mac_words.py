"""MAC addresses as people read them. They are stored as twelve digits."""


def with_colons(mac: str) -> str:
    """As on the back of a telephone: `00:08:5D:00:00:05`. What is no MAC stays as it is."""
    return ":".join(mac[place : place + 2] for place in range(0, 12, 2)) if len(mac) == 12 else mac
