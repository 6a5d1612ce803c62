"""A telephone system on loopback: Kamailio, and telephones that verify it."""
