"""The errors of the library, with the texts of the command."""


class FaceVaultError(Exception):
    """Anything that facevault refuses or cannot do. Its text says what is wrong with which value, and what to do."""


class InputError(FaceVaultError, ValueError):
    """An argument is wrong, or names something that does not exist."""


class MachineError(FaceVaultError, OSError):
    """The arguments are right, but this machine, its files or its network lack what it takes."""


# Shown, and pickled, under the name that programs catch.
for _error in (FaceVaultError, InputError, MachineError):
    _error.__module__ = "facevault_bench"
