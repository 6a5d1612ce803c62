"""`pbxcerts-agent`: keeps the trust store of a telephone host (intercom, softphone) in step with the server, in service.

Without Django and without a restart: nothing that runs on the host loses a connection. What it does in one round stands
in `round`; it needs Python's standard library and cryptography.

config         the configuration file
text_file      text files as editors leave them
anchors        which certificates become trust anchors; pure
succession     which root is served and which are next: told, written down, signed; pure
store          the trust store on disk
reach          a connection to a name at any of its addresses
https          requests over connections that the store secures
hook           the command that makes programs load the trust store
round          first trust, fetch, store, hook, report, proof
schedule       when the next round is; pure
notify         the SIP NOTIFY that asks for a round
register       the REGISTERs, and what their responses mean; pure
registration   the connection to the communication server over which a NOTIFY comes, too
service        the program that runs
"""
