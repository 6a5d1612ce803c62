"""The extensions of a certificate in sentences that an administrator of a telephone system understands.

The codes come from `certificates.pki.describe`.
"""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.pki.describe import ExtensionDescription, ExtensionItem

_TITLES = {
    "basic_constraints": gettext_lazy("Authority to sign"),
    "key_usage": gettext_lazy("Use of the key"),
    "extended_key_usage": gettext_lazy("Purposes"),
    "subject_alternative_name": gettext_lazy("Names and addresses"),
    "subject_key_identifier": gettext_lazy("Identifier of its key"),
    "authority_key_identifier": gettext_lazy("Identifier of the key that signed it"),
}

_SENTENCES = {
    "no_authority": gettext_lazy("This certificate may not sign others."),
    "authority": gettext_lazy("This certificate may sign others, and those may sign further ones."),
    "authority_of_last_level": gettext_lazy("This certificate may sign others, but those may not sign any further."),
    "authority_with_levels": gettext_lazy(
        "This certificate may sign others, with at most %(value)s further levels of authorities below it."
    ),
    "digital_signature": gettext_lazy("The key may prove in a TLS connection who the owner is."),
    "content_commitment": gettext_lazy("The key may sign documents in a binding way."),
    "key_encipherment": gettext_lazy("Telephones may encrypt a session key with it (older TLS connections)."),
    "data_encipherment": gettext_lazy("The key may encrypt data directly."),
    "key_agreement": gettext_lazy("The key may be used to agree on a session key."),
    "encipher_only": gettext_lazy("What it agrees on may only encrypt."),
    "decipher_only": gettext_lazy("What it agrees on may only decrypt."),
    "key_cert_sign": gettext_lazy("The key may sign certificates."),
    "crl_sign": gettext_lazy("The key may sign lists of revoked certificates."),
    "server_auth": gettext_lazy("It identifies a server to which telephones and browsers connect."),
    "client_auth": gettext_lazy("It identifies a server that opens TLS connections itself, for example to a trunk."),
    "sip_domain": gettext_lazy("It identifies a SIP domain, which strict SIP telephones ask for."),
    "purpose": gettext_lazy("A purpose that has no name here: %(value)s"),
    "dns_name": gettext_lazy("Name %(value)s"),
    "address": gettext_lazy("IP address %(value)s"),
    "uri": gettext_lazy("URI %(value)s"),
    "other_name": gettext_lazy("Other name %(value)s"),
    "key_identifier": "%(value)s",
    "issuer_key_identifier": "%(value)s",
    "issuer_serial": gettext_lazy("Serial number %(value)s"),
    "der": gettext_lazy("Its content in DER: %(value)s"),
}


def extension_title(extension: ExtensionDescription) -> str:
    """The extension's name for a heading."""
    if known := _TITLES.get(extension.code):
        return str(known)
    return _("Extension %(oid)s") % {"oid": extension.oid}


def extension_sentences(extension: ExtensionDescription) -> tuple[str, ...]:
    """One sentence per item, and one on what a critical extension means."""
    importance = (
        _("Critical: a telephone that does not understand this must refuse the certificate.")
        if extension.critical
        else _("Not critical: a telephone may ignore this.")
    )
    return (*map(_sentence, extension.items), importance)


def _sentence(item: ExtensionItem) -> str:
    return str(_SENTENCES[item.code]) % {"value": item.value}
