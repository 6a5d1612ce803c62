"""pbxcerts: the certificates of a communication server and its telephones."""

__version__ = "1.0.0"
