"""The one tree of errors: each says what was expected, what came, and what to do.

Every error a user can cause is an `ExpungeError`; the command line prints it as one line and exits with
its `exit_code`. Anything else that escapes is a bug in expunge and exits with 1.
"""

MOST = 600  # characters of each part of a message


class ExpungeError(Exception):
    """Base of all errors that a user can cause and mend."""

    exit_code = 2


class InputError(ExpungeError):
    """A field of the job, a file or a flag is not what it must be.

    Args:
        field: the name of the job field, flag or column, as the user wrote it.
        expected: what would have been accepted.
        came: what was found instead.
        remedy: what to do about it; empty where `expected` says it all.
    """

    def __init__(self, field: str, *, expected: str, came: str, remedy: str = "") -> None:
        self.field, self.expected, self.came, self.remedy = map(readable, (field, expected, came, remedy))
        text = f"{self.field}: expected {self.expected}, came {self.came}"
        super().__init__(f"{text}; {self.remedy}" if remedy else text)


class DataError(InputError):
    """Pictures, labels, subjects or splits cannot be read or do not fit together."""


class RequestError(InputError):
    """An erasure request that cannot be carried out as written."""


class ModelError(InputError):
    """A model, its weights or its architecture cannot be used."""


class MethodError(InputError):
    """An unknown method, or settings that the method refuses."""


class RunDirectoryError(InputError):
    """An output directory that holds something else, or a run that cannot be resumed."""


class Unavailable(ExpungeError):
    """Something was asked for that cannot be computed here; the message is the reason shown to the reader."""


class Interrupted(ExpungeError):
    """The run was stopped from outside and can be resumed."""

    exit_code = 3


def readable(text: str, most: int = MOST) -> str:
    """Text from anywhere as a part of one line: shortened, and what cannot be seen as its escape.

    A name in a file may be megabytes long, turn the text around, or give orders to the terminal.

    Example:
        >>> readable("a\\x1bb"), readable("abcdef", 3)
        ('a\\\\x1bb', 'abc... (6 characters)')
    """
    seen = text[: most + 1]
    if not seen.isprintable():
        seen = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(seen.split()))
    return f"{seen[:most]}... ({len(text)} characters)" if max(len(seen), len(text)) > most else seen
