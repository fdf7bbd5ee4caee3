"""Records: the contract, the readers that translate a bureau's files to it, and the record store.

Every stored row has two dates, the day it happened and the day the bureau knew it; what was known on a day
stays answerable for ever, through corrections and revisions. All that comes later reads records through
`asof.BucketReader`, which shows only what was known on the as-of date.
"""
