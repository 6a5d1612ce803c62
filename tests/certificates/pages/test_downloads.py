"""Downloads: byte for byte what is published, named so that nobody mixes them up, and never a private key."""

import re
from html import unescape

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from django.utils.html import strip_tags

from certificates.downloads import OFFERED, DownloadFormat, DownloadKind
from certificates.pki import formats
from pbxcerts.system.models import General

ALL = [(kind, form) for kind in DownloadKind for form in DownloadFormat]
OFFERED_PAIRS = [(kind, form) for kind, forms in OFFERED.items() for form in forms]


def url(kind, form, number=None):
    place = "download" if number is None else f"history/{number}"
    return f"/certificates/{place}/{kind}.{form}"


def test_a_download_is_the_published_file(running, viewer_client, subtests):
    for kind, form, published in [
        ("host", "pem", "generations/0001/host.pem"),
        ("host", "der", "generations/0001/host.der"),
        ("root", "pem", "generations/0001/root.pem"),
        ("root", "der", "generations/0001/root.der"),
        ("chain", "pem", "generations/0001/fullchain.pem"),
        ("trust", "pem", "trust.pem"),
    ]:
        with subtests.test(kind=kind, form=form, published=published):
            assert viewer_client.get(url(kind, form)).content == running.published(published).read_bytes()


def test_during_a_handover_it_is_the_prepared_pair_and_the_page_says_so(handing_over, viewer_client, text):
    content = viewer_client.get(url("host", "pem")).content

    assert content == handing_over.published("next/host.pem").read_bytes()
    assert content != handing_over.published("current/host.pem").read_bytes()
    assert "generation 2, which is prepared" in text(viewer_client.get("/certificates/"))


def test_during_a_handover_the_fingerprint_of_every_root_in_the_bundle_stands_beside_it(
    handing_over, viewer_client, text
):
    page = text(viewer_client.get("/certificates/"))

    prepared, active = handing_over.pending.root, handing_over.active.root
    assert (
        f"SHA-256, root certificate of generation 2 (prepared) {formats.sha256_fingerprint(prepared)}"
        f" SHA-256, root certificate of generation 1 (active) {formats.sha256_fingerprint(active)}"
    ) in page


def test_of_a_single_root_no_generation_is_named(running, viewer_client, text):
    page = text(viewer_client.get("/certificates/"))

    assert f"SHA-256, root certificate {formats.sha256_fingerprint(running.active.root)}" in page
    assert "root certificate of generation" not in page


def test_a_held_pair_is_not_given_out(switched, viewer_client, text):
    switched.roll_back()

    assert viewer_client.get(url("host", "pem")).content == switched.published("current/host.pem").read_bytes()
    assert "generation 1, which is active" in text(viewer_client.get("/certificates/"))


def test_the_trust_bundle_holds_both_pairs_during_a_handover(handing_over, viewer_client):
    content = viewer_client.get(url("trust", "pem")).content

    assert content == handing_over.published("trust.pem").read_bytes()
    assert content.count(b"BEGIN CERTIFICATE") == 4
    p7b = viewer_client.get(url("trust", "p7b")).content
    assert {formats.der(c) for c in pkcs7.load_pem_pkcs7_certificates(p7b)} == {
        formats.der(c) for c in x509.load_pem_x509_certificates(content)
    }


def links(page):
    """The address of each file by its title, as somebody hears it."""
    found = re.findall(r'(?s)<a[^>]*href="([^"]*(?:download|history/)[^"]*)"([^>]*)>(.*?)</a>', page)
    return {
        " ".join(
            unescape(heard[1] if (heard := re.search('aria-label="(.*?)"', attributes)) else strip_tags(title)).split()
        ): address
        for address, attributes, title in found
    }


def test_during_a_handover_what_a_telephone_is_given_holds_both_roots_and_says_so(handing_over, viewer_client):
    menu = links(viewer_client.get("/certificates/").content.decode())
    roots = formats.pem(handing_over.pending.root, handing_over.active.root)

    assert viewer_client.get(menu["Root certificates of generations 2, 1, PEM"]).content == roots
    assert viewer_client.get(menu["Trust bundle of generations 2, 1, PEM"]).content.count(b"BEGIN CERTIFICATE") == 4
    for pair in (handing_over.pending, handing_over.active):
        of_one = menu[f"Root certificate of generation {pair.number}, DER"]
        assert viewer_client.get(of_one).content == formats.der(pair.root)
    assert "Root certificate of generation 2, PEM" not in menu


def test_one_title_is_one_content_on_every_page(handing_over, viewer_client):
    contents = {}
    for page in ("/certificates/", "/certificates/history/1/", "/certificates/history/2/"):
        for title, address in links(viewer_client.get(page).content.decode()).items():
            if "generation" in title:
                contents.setdefault(title, set()).add(viewer_client.get(address).content)

    assert len(contents) > 12
    assert [title for title, found in contents.items() if len(found) > 1] == []


def test_the_chain_as_pkcs7_holds_host_and_root(running, viewer_client):
    certificates = pkcs7.load_pem_pkcs7_certificates(viewer_client.get(url("chain", "p7b")).content)

    assert {formats.der(c) for c in certificates} == {
        formats.der(running.active.host),
        formats.der(running.active.root),
    }


def test_a_file_names_site_generation_and_kind(running, viewer_client, subtests):
    for kind, form in OFFERED_PAIRS:
        with subtests.test(kind=kind, form=form):
            response = viewer_client.get(url(kind, form))

            assert response.headers["Content-Disposition"] == f'attachment; filename="zuerich-sued-0001-{kind}.{form}"'
            assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_any_site_name_gives_a_harmless_file_name(running, viewer_client, subtests):
    for site, expected in [
        ("", "pbxcerts"),
        ("東京", "pbxcerts"),
        ('a"\r\nX: y/../b', "a-x-yb"),
        ("Büro Ä", "buero-ae"),
        ("Bu\u0308ro", "buero"),
        ("Große Straße, Genève", "grosse-strasse-geneve"),
    ]:
        with subtests.test(site=site, expected=expected):
            General.objects.update(site_name=site)
            response = viewer_client.get(url("host", "pem"))

            assert response.headers["Content-Disposition"] == f'attachment; filename="{expected}-0001-host.pem"'


@pytest.mark.parametrize(
    ("kind", "form", "media_type"),
    [
        ("host", "pem", "application/x-pem-file"),
        ("root", "der", "application/pkix-cert"),
        ("chain", "pem", "application/pem-certificate-chain"),
        ("trust", "p7b", "application/x-pkcs7-certificates"),
    ],
)
def test_the_media_type_is_right(running, viewer_client, kind, form, media_type):
    assert viewer_client.get(url(kind, form)).headers["Content-Type"] == media_type


def test_what_is_not_offered_is_not_found(running, viewer_client, subtests):
    for kind, form in [pair for pair in ALL if pair not in OFFERED_PAIRS]:
        with subtests.test(kind=kind, form=form):
            assert viewer_client.get(url(kind, form)).status_code == 404
            assert viewer_client.get(url(kind, form, 1)).status_code == 404


def test_no_download_holds_a_private_key(handing_over, viewer_client, subtests):
    for number in [None, 1, 2]:
        for kind, form in OFFERED_PAIRS:
            with subtests.test(number=number, kind=kind, form=form):
                content = viewer_client.get(url(kind, form, number)).content
                key = handing_over.published("current/host.key").read_bytes()

                assert b"PRIVATE" not in content
                assert key.splitlines()[1] not in content


def test_before_the_first_generation_there_is_nothing(world, viewer_client):
    assert viewer_client.get(url("host", "pem")).status_code == 404
    assert viewer_client.get(url("trust", "pem")).status_code == 404


def test_any_generation_can_be_downloaded_from_the_history(handing_over, viewer_client):
    response = viewer_client.get(url("host", "pem", 1))

    assert response.content == handing_over.published("generations/0001/host.pem").read_bytes()
    assert "-0001-host.pem" in response.headers["Content-Disposition"]


def test_an_attempt_without_a_pair_has_nothing_to_download(running, viewer_client):
    from certificates.models import Generation
    from certificates.renewal import orders

    orders.order_generation(running.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna"))

    assert viewer_client.get(url("host", "pem", 2)).status_code == 404
    assert viewer_client.get(url("host", "pem", 99)).status_code == 404


def test_downloads_need_a_login(running, client):
    assert client.get(url("host", "pem")).status_code == 302
