"""Rows of text, queries and databases become the table `cells`: canonical columns, each cell as it stands."""
