"""The only door through which a value leaves for a purpose."""
