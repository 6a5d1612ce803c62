"""Telephones of other makers, simulated from what their makers and public templates say, and not from our drivers.

Nobody has tried any of it on a device. Where a thing is not documented the telephone does what is worst for whoever provisions
it, and says so: [D] is written by the maker, [C] is seen in public templates, [K] is known in the trade, [I] is concluded.
"""
