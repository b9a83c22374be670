"""The one tree of errors: each says what was expected, what came, and what to do.

Every error a user can cause is an `ExpungeError`; the command line prints it as one line and exits with
its `exit_code`. Anything else that escapes is a bug in expunge and exits with 1.
"""


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
        self.field, self.expected, self.came, self.remedy = field, expected, came, remedy
        text = f"{field}: expected {expected}, came {came}"
        super().__init__(f"{text}; {remedy}" if remedy else text)


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
