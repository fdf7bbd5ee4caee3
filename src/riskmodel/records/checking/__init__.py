"""What a delivery says, held against itself and against what is stored: who is who, and what cannot be."""
