"""Registered versions, their aliases, and the gate that decides on them."""
