"""Cells become values of the contract, or findings; by rules, and never by guessing."""
