"""Questions to the store: what was known on a day, of whom, how much, and who is missing."""
