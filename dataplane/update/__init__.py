"""Changes under traffic: when they happen, what they cost the traffic, and policies that request them."""
