"""`pbxcerts-agent`: keeps the trust store of a telephone host (intercom, softphone) in step with the server, in service.

Without Django and without a restart: nothing that runs on the host loses a connection. What it does in one round stands in
`round`; it needs Python's standard library, cryptography and sipmessage.

config     the configuration file
anchors    which certificates become trust anchors; pure
store      the trust store on disk
https      requests over connections that the store secures
round      first trust, fetch, store, hook, report, proof
schedule   when the next round is; pure
notify     the SIP NOTIFY that asks for a round
register   the REGISTERs, and what their answers mean; pure
registration  the connection to the communication server over which a NOTIFY comes, too
service    the program that runs
"""
