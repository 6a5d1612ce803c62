"""A SIP client that sends NOTIFYs without a subscription and hears what becomes of them (RFC 3261, 6665, 3581).

notify        what the rollout calls: NOTIFYs in, outcomes out as they come
exchange      one NOTIFY until its final response, with the challenges answered in between; pure
transaction   timers and states of RFC 3261 section 17.1.2; pure
digest        challenges and the answers to them (RFC 7616); pure
message       the octets; pure
reactions     what a final status means for the rollout; pure
connections   TCP, TLS and all that is open
datagrams     UDP
errors        what can go wrong; pure
"""
