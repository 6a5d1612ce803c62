"""What a browser loads before it can show a page: little enough for a slow line, and no font (rule strict-content)."""

import gzip
import re
from html import unescape

import pytest

AT_MOST = 120_000
LOADED = re.compile(r'<(?:link[^>]*? rel="(?:stylesheet|icon)"[^>]*? href|script[^>]*? src|img[^>]*? src)="([^"]+)"')
PAGES = ("/", "/certificates/", "/terminals/", "/help/")


def fetched(client, path):
    response = client.get(path, headers={"accept-encoding": "gzip"})
    assert response.status_code == 200, path
    return response, b"".join(response.streaming_content) if response.streaming else response.content


@pytest.mark.parametrize("page", PAGES)
def test_a_page_and_all_that_it_loads_is_small(administrator_client, page):
    _first, html = fetched(administrator_client, page)
    loaded = {
        address: fetched(administrator_client, address) for address in map(unescape, LOADED.findall(html.decode()))
    }

    assert [address for address in loaded if address.endswith("bootstrap.min.css") or address.endswith("bootstrap.css")]
    assert len(loaded) > 5
    assert len(html) + sum(len(content) for _response, content in loaded.values()) < AT_MOST
    assert not [address for address in loaded if "font" in address]


def test_a_file_is_compressed_for_who_takes_it_and_a_page_never_is(administrator_client):
    address = "/static/css/panel.css"
    compressed, content = fetched(administrator_client, address)
    plain = administrator_client.get(address)

    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in compressed.headers["Vary"]
    assert gzip.decompress(content) == b"".join(plain.streaming_content)
    assert "Content-Encoding" not in plain.headers
    page, _html = fetched(administrator_client, "/")
    assert "Content-Encoding" not in page.headers


def test_a_part_of_a_file_is_sent_as_it_is(administrator_client):
    part = administrator_client.get("/static/css/panel.css", headers={"accept-encoding": "gzip", "range": "bytes=0-9"})

    assert (part.status_code, len(b"".join(part.streaming_content))) == (206, 10)
    assert "Content-Encoding" not in part.headers
