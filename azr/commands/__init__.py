"""The commands, a file each: their arguments, their help, and what they print."""
