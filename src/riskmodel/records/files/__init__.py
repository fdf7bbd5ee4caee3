"""Files as they were sent: what each is, by its content, and its rows as text."""
