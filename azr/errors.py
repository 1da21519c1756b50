"""What azr says to a person."""


class UserError(Exception):
    """Something that the user can mend; the message is one clear line that says how. The commands exit with code 2."""
