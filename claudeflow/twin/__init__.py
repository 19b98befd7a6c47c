"""The other side of the wire: a simulated Claude API with limits, cache, faults and an invoice of its own.

It shares no code with the daemon's limiter, cache planner or price table, so that it can check them.
"""
