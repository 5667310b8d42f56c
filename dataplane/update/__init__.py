"""Changes while traffic flows: when they happen, what they cost the traffic, and policies that ask for them."""
