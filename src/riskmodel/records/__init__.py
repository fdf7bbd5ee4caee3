"""Records: the contract, how a bureau's files become rows of it, and the store that keeps them.

Every stored row has two dates, the day it happened and the day the bureau knew it; what was known on a day
stays answerable for ever, through corrections and revisions. All that comes later reads records through
`asking.asof.BucketReader`, which shows only what was known on the as-of date.
"""
