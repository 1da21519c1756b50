"""How answers are judged: one file for each kind of check, and what they share."""
