"""Published sets, the keys that may read them, and the audit log of who did."""
