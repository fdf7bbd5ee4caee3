"""Registers held against each other. What does not fit is something for a person to verify, and no label."""
