"""`adopt` and `publish --from-database`: a person decides about a store that the database does not know."""

import pytest

from pbxcerts.heartbeat import beat
from tests.support.copies import DatabaseCopy


@pytest.fixture
def foreign(prepared):
    DatabaseCopy.empty()
    return prepared


@pytest.fixture
def damaged(active):
    """An older copy, and a key on the disk that does not fit."""
    before = DatabaseCopy()
    assert active.run("regenerate", "--at-once").exit_code == 0
    key = active.store / "generations" / "0002" / "host.key"
    key.write_bytes((active.store / "generations" / "0001" / "host.key").read_bytes())
    before.put_back()
    return active


def test_status_says_whose_the_store_is(foreign):
    value = foreign.run("status", "--json").json
    assert value["published"]["store"] == "foreign"
    assert not value["published"]["matches"]
    assert "store_foreign" in [warning["id"] for warning in value["warnings"]]
    assert "not by this database" in foreign.run("status").out


def test_adopt(foreign):
    certificate = foreign.served("host.pem")
    ran = foreign.run("adopt", "--reason", "a new disk", "--json")
    assert ran.exit_code == 0, ran.error
    assert (ran.json["generation"]["number"], ran.json["generation"]["trigger"]) == (1, "adopted")
    assert foreign.states == {1: "active", 2: "prepared"}
    assert foreign.served("host.pem") == certificate
    assert (
        foreign.run("status", "--json").json["published"] | {"store": "same", "matches": True}
        == (foreign.run("status", "--json").json["published"])
    )


def test_adopt_says_why_it_is_not_possible(damaged):
    ran = damaged.run("adopt")
    assert (ran.exit_code, ran.error.code) == (3, "state")
    assert "not the key of the host certificate" in str(ran.error)


def test_adopt_where_all_is_well_has_nothing_to_do(active):
    assert active.run("adopt").exit_code == 3


def test_publish_alone_replaces_nothing(damaged):
    served = damaged.served("host.pem")
    ran = damaged.run("publish")
    assert (ran.exit_code, ran.error.code) == (3, "state")
    assert "First decide" in str(ran.error)
    assert damaged.served("host.pem") == served


def test_publish_from_the_database_says_what_is_lost(damaged):
    first = (damaged.store / "generations" / "0001" / "host.pem").read_bytes()
    ran = damaged.run("publish", "--from-database", "--json")
    assert ran.exit_code == 0, ran.error
    assert ran.json["lost"] == ["generations/0002"]
    assert damaged.served("host.pem") == first
    beat()
    assert damaged.run("status", "--json").json["published"]["matches"]


def test_publish_from_the_database_where_all_is_well_is_publish(active):
    ran = active.run("publish", "--from-database")
    assert ran.exit_code == 0
    assert "Lost" not in ran.out


@pytest.mark.parametrize("command", [["regenerate"], ["activate"], ["discard"], ["rollback"], ["withdraw", "1"]])
def test_other_orders_are_refused_meanwhile(damaged, command):
    ran = damaged.run(*command)
    assert (ran.exit_code, ran.error.code) == (3, "state")
    assert "First decide" in str(ran.error)


def test_nothing_is_exported_that_the_server_may_not_present(damaged):
    ran = damaged.run("export", "trust")
    assert (ran.exit_code, ran.error.code) == (3, "state")
    assert damaged.run("export", "host", "--generation", "1").exit_code == 0
