"""pbxcerts: the certificates of a communication server and its telephones."""

__version__ = "0.1.0"
