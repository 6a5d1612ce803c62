"""The product telephones: TLS, OPTIONS, REGISTER, a call with speech, and its end (rule proof-by-call).

handshake   a TLS connection as a telephone makes it, with the bundle that terminals hold
line        SIP messages on that connection, both ways
media       the offer of speech, its answer, and RTP; the first two are pure
srtp        encrypted speech and its key; pure
telephone   what one telephone does, one step after the other
proving     a proof from its order to its record
process     the short-lived process that makes it
"""
