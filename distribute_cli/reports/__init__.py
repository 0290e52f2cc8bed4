"""What the listings say, as frozen values: made from what was read, before anything is printed."""
