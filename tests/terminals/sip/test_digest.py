import pytest

from terminals.sip.digest import Authorization, Challenge, Credentials, read_challenges
from tests.support.phones import read_digest


def challenge(value):
    (found,) = read_challenges(value)
    return found


class TestTheVectorsOfTheStandards:
    @pytest.mark.parametrize(
        ("algorithm", "response"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_rfc_7616_section_3_9_1(self, algorithm, response):
        offered = challenge(
            f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
            'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
        )
        value = Authorization(offered, Credentials("Mufasa", "Circle of Life", "http-auth@example.org")).value(
            method="GET", uri="/dir/index.html", cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
        )

        given = read_digest(value)
        assert given["response"] == response
        assert (given["nc"], given["qop"]) == ("00000001", "auth")
        assert given["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"

    def test_rfc_2617_section_3_5(self):
        offered = challenge(
            'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
        )
        value = Authorization(offered, Credentials("Mufasa", "Circle Of Life", "testrealm@host.com")).value(
            method="GET", uri="/dir/index.html", cnonce="0a4f113b"
        )

        assert read_digest(value)["response"] == "6629fae49393a05397450978507c4ef1"

    def test_rfc_2069_which_knows_no_qop(self):
        """With the response of the erratum; the standard's own is wrong."""
        offered = challenge('Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"')
        value = Authorization(offered, Credentials("Mufasa", "CircleOfLife", "testrealm@host.com")).value(
            method="GET", uri="/dir/index.html", cnonce="unused"
        )

        given = read_digest(value)
        assert given["response"] == "1949323746fe6a43ef61f9606e7febea"
        assert not {"qop", "nc", "cnonce"} & given.keys()


def test_the_nonce_count_grows_with_every_use():
    authorization = Authorization(
        Challenge("r", "n", qops=frozenset({"auth"}), raw_realm="r"), Credentials("u", "p", "r")
    )
    values = [read_digest(authorization.value(method="NOTIFY", uri="sip:a", cnonce="c")) for _ in range(2)]

    assert [value["nc"] for value in values] == ["00000001", "00000002"]
    assert values[0]["response"] != values[1]["response"]


def test_qop_and_algorithm_stand_without_quotation_marks():
    """RFC 3261 section 25.1; telephones refuse them quoted."""
    offered = challenge('Digest realm="r", nonce="n", qop="auth", algorithm="MD5-sess"')
    value = Authorization(offered, Credentials("u", "p", "r")).value(method="NOTIFY", uri="sip:a", cnonce="c")

    assert "qop=auth," in value
    assert "algorithm=MD5-sess" in value


class TestReading:
    def test_several_in_one_field(self):
        found = list(
            read_challenges(
                'Digest realm="a", nonce="1", algorithm=SHA-256, Basic realm="b", digest  realm = "c" ,nonce=2,STALE=TRUE'
            )
        )

        assert [(item.realm, item.nonce, item.algorithm, item.stale) for item in found] == [
            ("a", "1", "SHA-256", False),
            ("c", "2", "MD5", True),
        ]

    def test_a_broken_field_takes_nothing_from_the_next(self):
        found = read_challenges('Negotiate, Digest realm="a\nDigest realm="b", nonce="1"\n' + "x" * 5000)

        assert [item.realm for item in found] == ["b"]

    def test_a_realm_with_quotation_marks_and_commas(self):
        found = challenge(r'Digest realm="the \"phones\", all", nonce="n"')

        assert found.realm == 'the "phones", all'
        value = Authorization(found, Credentials("u", "p", found.realm)).value(method="NOTIFY", uri="sip:a", cnonce="c")
        assert r'realm="the \"phones\", all"' in value

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "Digest",
            "Digest realm",
            'Digest realm="r"',
            'Digest nonce="n"',
            'Basic realm="r", nonce="n"',
            'realm="r", nonce="n"',
            'Digest realm="r", nonce="a\nRoute: <sip:elsewhere>"',
            'Digest realm="r", nonce="cut',
            "Digest " + 'realm="r", nonce="n", ' * 1000,
        ],
        ids=[
            "nothing",
            "name",
            "no-value",
            "no-nonce",
            "no-realm",
            "basic",
            "no-scheme",
            "line-feed",
            "cut",
            "too-long",
        ],
    )
    def test_what_is_no_challenge_is_none(self, value):
        assert list(read_challenges(value)) == []

    @pytest.mark.parametrize(
        "value",
        [
            'Digest realm="r", nonce="n", algorithm=SHA-512-256',
            'Digest realm="r", nonce="n", qop="auth-int"',
            'Digest realm="r", nonce="n", algorithm=AKAv1-MD5',
        ],
        ids=["algorithm", "qop", "akav1"],
    )
    def test_what_cannot_be_answered_is_known_to_be_so(self, value):
        assert not challenge(value).can_be_answered

    def test_a_hostile_value_costs_no_time(self):
        """Where a pattern may backtrack, this takes for ever."""
        assert list(read_challenges("Digest " + 'a="' * 1300)) == []
        assert list(read_challenges("a " * 2000)) == []
        assert list(read_challenges("Digest " + 'a="x",' * 500 + "!")) == []


def test_a_password_is_in_no_representation():
    assert "secret" not in repr(Credentials("u", "secret", "r"))
