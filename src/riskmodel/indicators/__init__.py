"""The official rates against targets, counted from the records as known on a day."""
