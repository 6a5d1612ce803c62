"""A SIP client that sends NOTIFYs without a subscription and hears what becomes of them (RFC 3261, 6665, 3581).

notify       what the rollout calls: NOTIFYs in, answers out as they come
exchange     one NOTIFY with its answered challenges; pure
transaction  timers and states of RFC 3261 section 17.1.2; pure
digest       challenges and their answers (RFC 7616); pure
message      the octets; pure
reactions    what a final status means for the rollout; pure
connections  UDP, TCP and TLS
"""
