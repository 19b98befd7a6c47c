"""Benchmarks: what claudeflow costs, each figure beside something that it replaces.

`python -m benchmarks` lists them. They measure ratios within one run: the machines they run on are
shared, and the same workload may take twice as long a minute later.
"""
