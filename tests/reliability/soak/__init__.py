"""Load: many telephone calls at once, many short ones, and a phone that is killed or told to end in the midst of them."""
