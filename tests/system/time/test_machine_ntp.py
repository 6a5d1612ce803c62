"""The NTP servers that the machine asks itself."""

import pytest

from pbxcerts.system.time.machine_ntp import configured_servers


@pytest.fixture
def etc(tmp_path):
    def write(**files):
        for name, text in files.items():
            file = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


def test_chronys_servers_and_pools_are_known(etc):
    place = etc(
        chrony__chrony_dot_conf="# server no.example\npool 2.debian.pool.ntp.org iburst\nserver ntp1.example.org prefer\n"
        "makestep 1 3\n",
        chrony__sources_dot_d__site_dot_sources="server 192.0.2.123\nserver 2001:db8::123 iburst\n",
    )

    assert configured_servers(place) == ["2.debian.pool.ntp.org", "ntp1.example.org", "192.0.2.123", "2001:db8::123"]


def test_timesyncds_are_known_too_and_four_are_enough(etc):
    place = etc(systemd__timesyncd_dot_conf="[Time]\nNTP=a.example b.example\n#NTP=no.example\nFallbackNTP=c d e f\n")

    assert configured_servers(place) == ["a.example", "b.example", "c", "d"]


def test_what_is_no_name_is_left_out_and_no_file_is_no_error(etc, tmp_path):
    assert configured_servers(tmp_path / "nothing") == []
    assert configured_servers(etc(chrony_dot_conf="server <b>\nserver\npool ok.example\n")) == ["ok.example"]


def test_they_are_offered_beside_the_field(administrator_client, monkeypatch):
    monkeypatch.setattr("pbxcerts.system.time.machine_ntp.configured_servers", lambda: ["ntp.example.org"])

    assert 'data-offer="ntp.example.org"' in administrator_client.get("/system/general/").content.decode()
