"""Let the key of each pair sign which pair is served, for hosts that have seen a later one (rule signed-succession)."""

from contextlib import suppress

from certificates.models import Generation
from certificates.pki.errors import UnreadableError
from certificates.pki.keys import SecretPem
from certificates.pki.succession import number_of, sign
from certificates.renewal.situation import Situation
from pbxcerts.system import sealing
from pbxcerts.system.sealing import SealingKeyLost


def sign_succession(situation: Situation) -> None:
    """With each key that there is, where its last signature is older than the newest change of a state. Also with a key
    that is about to go: it says for good that another pair was served in its place. Raises SealingError where the list
    of keys cannot be read at all.
    """
    said = situation.succession
    if said is None:
        return
    for pair in situation.generations:
        if pair.host_key is None or number_of(pair.succession) == said.number:
            continue
        # A key that is lost signs no more.
        with suppress(SealingKeyLost, UnreadableError):
            pair.succession = sign(said, pair.host, SecretPem(sealing.unseal(bytes(pair.host_key))))
            Generation.objects.filter(number=pair.number).update(succession=pair.succession)
