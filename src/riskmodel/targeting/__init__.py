"""Aid and counselling where they are needed: who is entitled, who gets a place, and why not the others."""
