"""Campaigns: real processes that do the worst to the cache, for as long as one likes.

python -m tests.campaigns.NAME --rounds N; `test_campaigns` runs a short form of each.
"""
