"""Public keys of the age format (https://age-encryption.org/v1), for which backups are encrypted."""


def is_recipient(text: str) -> bool:
    """Whether this is one as age-keygen prints it ("age1…")."""
    # Here, not above: no process that runs all the time needs it before somebody enters a key.
    import pyrage

    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        return False
    return True
