"""Whom the agent believes: the root of its last round and those named as next, never one served before (rule agent-current).

Every server here is a real one over TLS, and the attackers hold real keys.
"""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from certificates.pki import formats
from certificates.pki.keys import KeyType
from terminals.agent.anchors import fingerprint
from terminals.agent.errors import AgentError, BundleRefused, ServerSuperseded, ServerUntrusted, TrustStoreError
from tests.support.est_server import a_pair_now, a_succession, in_est, signed_by

CACERTS = "/.well-known/est/cacerts"
DAY = timedelta(days=1)


def foreign_root(*, days=36_500, path_length=None):
    """A self-signed CA as an attacker makes one: of a hundred years, for chains of any length."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pbxcerts Root 0007")])
    bits = dict.fromkeys(
        ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"], False
    )
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now - DAY + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(
            x509.KeyUsage(**bits, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )


def trusted(agent):
    return {line.split()[2] for line in agent.holds().splitlines() if line.startswith("# sha256 ")}


def roots(*pairs):
    return {fingerprint(pair.root) for pair in pairs}


def told(*servers):
    """Whether one of these servers was told the token."""
    return any(one.headers["Authorization"] for server in servers for one in server.asked)


@pytest.fixture
def handover(agent, server, proof, old, new):
    """The agent has been taken from the old pair to the new one; the old one is superseded and still in the bundle."""
    server.bundle = [new, old]
    server.says(a_succession(10, old, new), old, new)
    proof.present(new)
    agent.round()
    server.present(new)
    server.says(a_succession(11, new), old, new)
    agent.round()
    assert trusted(agent) == roots(old, new)
    server.asked.clear()
    proof.asked.clear()
    return agent


def on_the_path(server, proof, pair):
    """Whoever has the key of this pair answers in the place of the server."""
    server.present(pair)
    proof.present(pair)


class TestWhoHasTheKeyOfASupersededPair:
    def refused(self, agent, server, proof, error=ServerSuperseded):
        before = agent.holds()
        with pytest.raises(error):
            agent.round()
        assert agent.holds() == before
        assert not told(server, proof)

    def test_can_not_have_a_root_of_his_own_trusted(self, handover, server, proof, old, new):
        on_the_path(server, proof, old)
        server.answers[CACERTS] = lambda asked: (200, {}, in_est(foreign_root(), old.root, new.root))
        self.refused(handover, server, proof)

    def test_nor_one_that_looks_like_ours(self, handover, server, proof, old, strange):
        on_the_path(server, proof, old)
        server.bundle = [strange, old]
        self.refused(handover, server, proof)

    def test_can_not_drop_the_newest_root(self, handover, server, proof, old):
        on_the_path(server, proof, old)
        server.bundle = [old]
        self.refused(handover, server, proof)

    def test_can_not_lead_back_to_the_old_root_by_his_own_word(self, handover, server, proof, old, new):
        on_the_path(server, proof, old)
        server.says(a_succession(99, old, new), old)
        self.refused(handover, server, proof)

    def test_nor_by_what_the_server_says_now(self, handover, server, proof, old, new):
        on_the_path(server, proof, old)
        server.says(a_succession(12, new), old, new)
        self.refused(handover, server, proof)

    def test_nor_by_what_the_server_signed_during_the_handover(self, handover, server, proof, old, new):
        on_the_path(server, proof, old)
        server.says(a_succession(10, old, new), old, new)
        self.refused(handover, server, proof)

    def test_nor_by_a_roll_back_that_is_over(self, handover, server, proof, old, new):
        """The server was rolled back and is served with the new pair again; the agent has heard of that."""
        server.says(a_succession(20, new), old, new)
        handover.round()
        server.asked.clear()
        proof.asked.clear()
        on_the_path(server, proof, old)
        server.says(a_succession(15, old, new), old, new)
        self.refused(handover, server, proof)

    def test_nor_by_a_signature_whose_words_he_has_changed(self, handover, server, proof, old, new):
        on_the_path(server, proof, old)
        theirs, genuine = signed_by(old, a_succession(99, old)), signed_by(new, a_succession(12, new))
        head, _, signature = genuine.split(".")
        server.succession = a_succession(99, old)
        server.signatures = [".".join([head, theirs.split(".")[1], signature])]
        self.refused(handover, server, proof)

    def test_is_told_no_token_at_the_proof_listener(self, handover, server, proof, old):
        proof.present(old)
        with pytest.raises(ServerUntrusted):
            handover.round()
        assert proof.asked == []

    def test_nor_where_the_agent_has_been_started_anew(self, handover, server, proof, old):
        """What it found in its last round stands on the disk."""
        assert json.loads(handover.store.with_name("trust.pem.served").read_text())["number"] == 11
        on_the_path(server, proof, old)
        server.bundle = [old]
        for _ in range(2):
            self.refused(handover, server, proof)

    def test_is_answered_with_a_sentence_that_says_what_to_do(self, handover, server, old):
        server.present(old)
        with pytest.raises(ServerSuperseded, match=rf"pbxcerts-agent accept .* {fingerprint(old.root)}") as raised:
            handover.round()
        assert raised.value.exit_code == 3


class TestAnAnchor:
    """Also a server that is current hands out nothing that could outlive ours."""

    @pytest.mark.parametrize(
        ("days", "path_length", "says"),
        [(36_500, 0, "lasts longer"), (3746, 0, "lasts longer"), (300, None, "chain"), (300, 1, "chain")],
    )
    def test_of_too_long_a_life_or_for_chains_is_refused(self, agent, server, old, days, path_length, says):
        before = agent.holds()
        foreign = foreign_root(days=days, path_length=path_length)
        server.answers[CACERTS] = lambda asked: (200, {}, in_est(foreign, old.root))
        with pytest.raises(BundleRefused, match=says):
            agent.round()
        assert agent.holds() == before
        assert not told(server)

    def test_of_the_longest_life_of_ours_is_taken(self, agent, server, old):
        longest = foreign_root(days=3745, path_length=0)
        server.answers[CACERTS] = lambda asked: (200, {}, in_est(longest, old.root))
        agent.round()
        assert trusted(agent) == {fingerprint(longest), *roots(old)}

    def test_in_the_store_that_is_none_secures_nothing_and_goes(self, agent, server, old):
        """As somebody got one into the store of a version that took it."""
        foreign = a_pair_now(4, end=datetime.now(UTC) + 36_500 * DAY)
        agent.store.write_bytes(formats.pem(foreign.root, old.root))
        server.present(foreign)
        with pytest.raises(ServerUntrusted):
            agent.round()
        server.present(old)
        agent.round()
        assert trusted(agent) == roots(old)

    def test_that_is_none_is_not_all_that_a_store_may_hold(self, agent):
        agent.store.write_bytes(formats.pem(foreign_root()))
        with pytest.raises(TrustStoreError, match="nothing that can be trusted"):
            agent.round()


class TestAServerThatWentBack:
    """The genuine server presents an older pair, and proves it by the key of the later one."""

    def test_after_a_roll_back_it_is_believed(self, handover, server, proof, old, new):
        server.present(old)
        proof.present(new)  # the pair rolled back from is held
        server.says(a_succession(14, old, new), old, new)
        handover.round()
        assert trusted(handover) == roots(old, new)
        assert [server.paths()[-1], proof.paths()] == ["/report", ["/proof"]]

    def test_and_forward_again(self, handover, server, proof, old, new):
        server.present(old)
        server.says(a_succession(14, old, new), old, new)
        handover.round()
        server.present(new)
        server.says(a_succession(17, new), old, new)
        handover.round()
        on_the_path(server, proof, old)
        server.says(a_succession(14, old, new), old, new)
        with pytest.raises(ServerSuperseded):
            handover.round()

    def test_after_a_failed_switch_it_is_believed(self, agent, server, proof, old, new):
        """The agent came in the minute in which the server was looked at."""
        server.bundle = [new, old]
        server.says(a_succession(10, old, new), old, new)
        agent.round()
        server.present(new)
        proof.present(new)
        server.says(a_succession(12, new), old, new)
        agent.round()
        server.present(old)
        server.says(a_succession(14, old, new), old, new)
        agent.round()
        assert trusted(agent) == roots(old, new)

    def test_also_where_the_key_of_the_later_pair_has_gone(self, handover, server, proof, old, new, strange):
        """The pair rolled back from was discarded; meanwhile another is prepared, of which that key says nothing."""
        kept = signed_by(new, a_succession(15, old))
        server.present(old)
        server.bundle = [strange, old]
        proof.present(strange)
        server.says(a_succession(18, old, strange), old, strange)
        server.signatures.append(kept)
        handover.round()
        assert trusted(handover) == roots(old, strange)

    @pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.RSA2048, KeyType.RSA3072])
    def test_with_every_kind_of_key(self, agent, server, proof, old, key_type):
        new = a_pair_now(8, key_type=key_type)
        agent.trusts(old, new)
        server.bundle = [new, old]
        on_the_path(server, proof, new)
        server.says(a_succession(12, new), old, new)
        agent.round()
        on_the_path(server, proof, old)
        server.says(a_succession(14, old, new), old, new)
        assert agent.round().trusted == roots(old, new)

    @pytest.mark.parametrize("spoil", ["cut", "not text", "type", "algorithm", "two certificates", "words"])
    def test_a_signature_that_cannot_be_understood_proves_nothing(self, handover, server, old, new, spoil):
        server.present(old)
        server.says(a_succession(14, old, new), new)
        server.signatures = [_spoilt(server.signatures[0], spoil, old)]
        with pytest.raises(ServerSuperseded):
            handover.round()


def _spoilt(signature, how, old):
    head, words, octets = signature.split(".")
    header = json.loads(_decoded(head))
    match how:
        case "cut":
            return signature[:-10]
        case "not text":
            return 4
        case "type":
            header["typ"] = "JWT"
        case "algorithm":
            header["alg"] = "none"
        case "two certificates":
            header["x5c"] *= 2
        case "words":
            words = words[:-4]
    return ".".join([_encoded(json.dumps(header).encode()), words, octets])


def _decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class TestAWithdrawal:
    def test_of_a_superseded_pair_takes_its_root_away(self, handover, server, proof, old, new):
        server.bundle = [new]
        server.says(a_succession(12, new), new)
        handover.round()
        on_the_path(server, proof, old)
        with pytest.raises(ServerUntrusted):
            handover.round()

    def test_of_the_served_pair_leads_to_the_prepared_one(self, agent, server, proof, old, new):
        server.bundle = [new, old]
        server.says(a_succession(10, old, new), old, new)
        agent.round()
        on_the_path(server, proof, new)
        server.bundle = [new]
        server.says(a_succession(12, new), new)
        agent.round()
        assert trusted(agent) == roots(new)
        on_the_path(server, proof, old)
        with pytest.raises(ServerUntrusted):
            agent.round()

    def test_of_a_prepared_pair_makes_it_next_no_more(self, agent, server, proof, old, new, strange):
        server.bundle = [new, old]
        server.says(a_succession(10, old, new), old, new)
        agent.round()
        server.bundle = [strange, old]
        proof.present(strange)
        server.says(a_succession(13, old, strange), old, strange)
        agent.round()
        assert trusted(agent) == roots(old, strange)
        on_the_path(server, proof, new)
        with pytest.raises(ServerUntrusted):
            agent.round()

    def test_of_a_pair_that_was_rolled_back_leads_back_all_the_same(self, handover, server, proof, old, new):
        """Its key signed before it went; who has the key as well could have presented the pair itself."""
        on_the_path(server, proof, old)
        server.bundle = [old]
        server.says(a_succession(15, old), old, new)
        handover.round()
        assert trusted(handover) == roots(old)

    def test_of_the_served_pair_with_none_prepared_means_to_begin_anew(self, handover, server, proof, strange):
        on_the_path(server, proof, strange)
        server.bundle = [strange]
        server.says(a_succession(14, strange), strange)
        with pytest.raises(ServerUntrusted):
            handover.round()
        handover.store.unlink()
        (handover.directory / "first.pem").write_bytes(formats.pem(strange.root))
        handover.write(trust='[trust]\nfile = "trust.pem"\ninitial = "first.pem"')
        handover.round()
        assert trusted(handover) == roots(strange)


class TestAFirstStart:
    def test_in_the_middle_of_a_handover_leads_through_it(self, agent, server, proof, old, new):
        agent.store.unlink()
        (agent.directory / "first.pem").write_bytes(formats.pem(old.root))
        agent.write(trust='[trust]\nfile = "trust.pem"\ninitial = "first.pem"')
        server.bundle = [new, old]
        server.says(a_succession(10, old, new), old, new)
        proof.present(new)
        agent.round()
        server.present(new)
        server.says(a_succession(12, new), old, new)
        agent.round()
        on_the_path(server, proof, old)
        with pytest.raises(ServerSuperseded):
            agent.round()

    def test_after_the_switch_leaves_the_old_root_older(self, agent, server, proof, old, new):
        """Whatever its dates are: it was never this agent's, and the server does not name it."""
        agent.trusts(new)
        older = a_pair_now(6, not_before=datetime.now(UTC) - DAY)
        server.bundle = [new, older]
        on_the_path(server, proof, new)
        server.says(a_succession(12, new), older, new)
        agent.round()
        on_the_path(server, proof, older)
        with pytest.raises(ServerSuperseded):
            agent.round()

    @pytest.mark.parametrize("served", ["old", "new"])
    def test_with_both_roots_finds_out_which_one_is_served(self, agent, server, proof, old, new, served):
        pair, other = (old, new) if served == "old" else (new, old)
        agent.trusts(old, new)
        server.bundle = [new, old]
        on_the_path(server, proof, pair)
        server.says(a_succession(12, pair), old, new)
        agent.round()
        on_the_path(server, proof, other)
        with pytest.raises(ServerSuperseded):
            agent.round()


class TestAStoreOfTheVersionBefore:
    """It says nothing of what was served."""

    @pytest.mark.parametrize("directory", [False, True])
    def test_goes_on_and_from_the_first_round_on_knows(self, agent, server, proof, old, new, directory):
        if directory:
            agent.store.unlink()
            agent.store.mkdir()
            for pair in (old, new):
                (agent.store / f"{fingerprint(pair.root)}.pem").write_bytes(formats.pem(pair.root))
            agent.write(trust='[trust]\ndirectory = "trust.pem"')
        else:
            agent.trusts(old, new)
        server.bundle = [new, old]
        on_the_path(server, proof, new)
        server.says(a_succession(12, new), old, new)
        assert not agent.round().changed
        on_the_path(server, proof, old)
        with pytest.raises(ServerSuperseded):
            agent.round()

    def test_works_with_a_server_of_the_version_before_too(self, agent, server, proof, old, new):
        """Next is what begins later, and nothing else."""
        later = a_pair_now(8, not_before=datetime.now(UTC) - DAY)
        server.bundle = [later, old]
        agent.round()
        on_the_path(server, proof, later)
        agent.round()
        on_the_path(server, proof, old)
        with pytest.raises(ServerSuperseded):
            agent.round()


class TestAWrongClock:
    def test_of_the_server_that_made_the_old_pair_ahead_changes_no_order(self, agent, server, proof, new):
        ahead = a_pair_now(7, not_before=datetime.now(UTC) - DAY)
        assert ahead.root.not_valid_before_utc > new.root.not_valid_before_utc
        agent.trusts(ahead)
        on_the_path(server, proof, ahead)
        server.bundle = [new, ahead]
        server.says(a_succession(10, ahead, new), ahead, new)
        agent.round()
        on_the_path(server, proof, new)
        server.says(a_succession(12, new), ahead, new)
        agent.round()
        on_the_path(server, proof, ahead)
        with pytest.raises(ServerSuperseded):
            agent.round()

    def test_of_the_host_by_which_the_served_root_has_ended_believes_no_older_one(self, agent, server, proof, old):
        ended = a_pair_now(8, end=datetime.now(UTC) - timedelta(hours=1))
        agent.trusts(ended, old)
        agent.remembers(12, ended)
        before = agent.holds()
        on_the_path(server, proof, old)
        server.bundle = [old]
        with pytest.raises(ServerSuperseded):
            agent.round()
        server.says(a_succession(14, old), old, ended)
        with pytest.raises(ServerSuperseded):
            agent.round()
        assert agent.holds() == before

    def test_of_the_host_that_is_behind_changes_nothing(self, agent, server, proof, old):
        early = a_pair_now(8, not_before=datetime.now(UTC) + timedelta(hours=1))
        server.bundle = [early, old]
        server.says(a_succession(10, old, early), old, early)
        agent.round()
        on_the_path(server, proof, early)
        before = agent.holds()
        with pytest.raises(ServerUntrusted, match="clock is behind"):
            agent.round()
        assert agent.holds() == before


class TestAccepting:
    def test_an_older_root_makes_it_the_served_one(self, handover, server, proof, old, new):
        """The proof is lost: the server's database was restored from before the agent's last round."""
        on_the_path(server, proof, old)
        server.says(a_succession(3, old), old)
        with pytest.raises(ServerSuperseded):
            handover.round()
        done = handover.accept(formats.sha256_fingerprint(old.root))
        assert fingerprint(old.root) in done.trusted
        handover.round()
        on_the_path(server, proof, new)
        with pytest.raises(ServerSuperseded):
            handover.round()

    def test_what_is_not_in_the_store_is_refused(self, handover, strange):
        with pytest.raises(TrustStoreError, match="does not hold"):
            handover.accept(fingerprint(strange.root))

    def test_what_is_no_fingerprint_is_refused(self, handover):
        with pytest.raises(AgentError, match="SHA-256"):
            handover.accept("AB:CD")


class TestWhatIsWrittenDown:
    def test_is_whole_or_an_error(self, handover):
        handover.store.with_name("trust.pem.served").write_text('{"served": ')
        with pytest.raises(TrustStoreError, match="does not say which root was served"):
            handover.round()

    def test_says_nothing_of_another_store(self, handover, server, proof, strange):
        handover.trusts(strange)
        on_the_path(server, proof, strange)
        server.bundle = [strange]
        server.says(a_succession(3, strange), strange)
        handover.round()

    def test_only_this_user_may_write(self, handover):
        assert handover.store.with_name("trust.pem.served").stat().st_mode & 0o777 == 0o644


def test_a_server_whose_pair_has_just_changed_is_asked_again(agent, server, old, new):
    server.bundle = [new, old]
    server.answers["/succession"] = lambda asked: (503, {}, b"Later.")
    before = agent.holds()
    with pytest.raises(AgentError, match="503") as raised:
        agent.round()
    assert raised.value.exit_code == 1
    assert agent.holds() == before


@pytest.mark.parametrize("words", [b"", b"[]", b'{"served": 4}', b'{"number": -1, "served": "ab", "next": []}'])
def test_a_succession_that_cannot_be_understood_is_refused(agent, server, words):
    server.answers["/succession"] = lambda asked: (200, {}, words)
    with pytest.raises(BundleRefused, match="succession"):
        agent.round()
