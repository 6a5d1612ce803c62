"""People before the panel: each has a browser of their own, with cookies and without scripts."""

import re
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, build_opener


class Browser:
    def __init__(self, address):
        """`address`: of the panel, as in http://127.0.0.1:8000."""
        self._address = address
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def get(self, path):
        """The octets of the page; anything but success is an exception."""
        with self._opener.open(urljoin(self._address, path), timeout=30) as answer:
            return answer.read()

    def page(self, path):
        return self.get(path).decode()

    def post(self, path, **fields):
        token = next((cookie.value for cookie in self._cookies if cookie.name.endswith("-csrf")), "")
        form = urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        with self._opener.open(urljoin(self._address, path), data=form, timeout=30) as answer:
            return answer.read().decode()

    def log_in(self, name, password):
        self.page("/login/")
        assert 'name="password"' not in self.post("/login/", username=name, password=password)
        return self


def links(page, part):
    """The addresses in a page that hold this part, in the order of the page."""
    return [address for address in re.findall(r'(?:href|formaction)="([^"]+)"', page) if part in address]


def hidden_fields(page):
    """What its form sends along without anybody typing it."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
