"""The proof by call: what a telephone sees of the server after a switch, kept with the generation (rule proof-by-call).

steps       what was tried, and what came of it; pure
models      the settings, and one row for each proof
orders      who orders one, who takes it up, and how it ends
words       all of it as sentences

Who telephones is `terminals.call_proof`: certificates knows no SIP.
"""
