"""What lies on the disk: the form of a row, the manifest that says what holds, the engine that reads."""
