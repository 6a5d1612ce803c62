"""The X.509 core: what a pair of certificates is, without Django, clock or disk."""
