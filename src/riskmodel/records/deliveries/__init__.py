"""A delivery: what was sent, the rows that wait, the generation that it becomes, and what goes back."""
