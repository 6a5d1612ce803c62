"""What the product costs beside something that does the same: ratios of medians, taken in turn in one run.

By hand, one at a time on a machine that does nothing else: `python -m tests.benchmarks.NAME [--rounds N]`. No time is a
test: the machine decides those. What is counted, queries say, is tested too.
"""
