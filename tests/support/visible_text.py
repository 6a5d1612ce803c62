"""What a person reads of a page, or has read out."""

from html.parser import HTMLParser

UNREAD = {"script", "style", "code", "pre", "textarea", "svg"}
READ_OUT = {"aria-label", "alt", "title", "placeholder", "data-label"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class VisibleText(HTMLParser):
    """`texts`: without what is code, and what is marked as being in another language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unread: list[bool] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if not any(self._unread):
            self.texts += [value for name, value in attrs if name in READ_OUT and value]
        if tag not in VOID:
            other = "lang" in attributes and tag != "html"
            self._unread.append(tag in UNREAD or other)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self._unread:
            self._unread.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(self._unread):
            self.texts.append(" ".join(data.split()))
