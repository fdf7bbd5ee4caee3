"""How a source is translated: mapping files, usual words for columns and codes, sheets that are spread."""
