"""The ledgers of children to be found again: what a case is, and which step may follow which. Pure rules."""
