"""Characters that nobody sees, made visible: a value that is refused because of one looks right."""

import unicodedata


def shown(text: str) -> str:
    """The text with each character that leaves no mark on the page, but for the space, as `<U+200B>`."""
    return "".join(character if _leaves_a_mark(character) else f"<U+{ord(character):04X}>" for character in text)


def _leaves_a_mark(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"
