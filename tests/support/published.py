"""What must be true of the store at every moment, whatever has just been killed."""

from certificates.pki import formats
from certificates.pki.keys import SecretPem, load_host_key


def served(store):
    """The generation that `current` leads to, None where there is no link; it must be whole and its key its own."""
    if not (store.path / "current").is_symlink():
        return None
    place = store.path / "current"
    texts = {
        name: (place / name).read_bytes()
        for name in ("root.pem", "host.pem", "host.key", "fullchain.pem", "agent.pem", "root.der", "host.der")
    }
    root, host = formats.load_pem(texts["root.pem"]), formats.load_pem(texts["host.pem"])
    assert load_host_key(SecretPem(texts["host.key"])).public_key() == host.public_key()
    assert texts["fullchain.pem"] == texts["host.pem"] + texts["root.pem"]
    assert texts["agent.pem"] == texts["host.pem"] + texts["host.key"]
    assert (texts["root.der"], texts["host.der"]) == (formats.der(root), formats.der(host))
    host.verify_directly_issued_by(root)
    return store.current


def leftovers(store):
    """What a crash left half written."""
    return sorted(str(path.relative_to(store.path)) for path in store.path.rglob(".new-*"))
