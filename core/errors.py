"""The errors a user can meet: one line that names the cause and the cure."""


class NormLabError(Exception):
    """Something failed. The message is one line for the user; the command line exits with 1."""

    exit_status = 1


class UsageError(NormLabError):
    """Something was asked for that cannot be done; nothing has changed. Exits with 2."""

    exit_status = 2


class StoppedError(NormLabError):
    """The work was stopped before its end; exits as what a signal ended does, not with 0."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class DataError(NormLabError):
    """A data set is missing, truncated or damaged; the message names the file."""


class RunError(NormLabError):
    """A run folder cannot be read, written or locked; the message names it."""


class MisnamedError(RunError):
    """Somebody named a run that is nowhere, or a target that cannot be written. Exits with 2."""

    exit_status = 2


class LabelError(NormLabError):
    """A table of labels cannot be used; the message names the row or the column."""


class ImageError(NormLabError):
    """A picture was refused: the message is for people, `code` names the reason for programs."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])
