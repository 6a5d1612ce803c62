"""What can go wrong with the communication server. What an address presents raises nothing: `Presented.error` says it.

CommunicationServerError
├── StoreError      the file system refused; the message says what and where
│   ├── StoreBusy   another process is publishing at this moment
│   ├── NoMark       the file that says who writes the store is there, but says nothing that can be read
│   └── NoPair       what stands there as a pair is none; `file` and `fault` say which file, and what is wrong with it
├── KamailioError   it could not be asked, or said nothing that can be read; the message says which
└── ReloadError     the reload command could not be started, failed, or ran out of time; the message says which, with its
                    last words
"""

import enum
from pathlib import Path


class CommunicationServerError(Exception):
    pass


class StoreError(CommunicationServerError):
    pass


class StoreBusy(StoreError):
    pass


class NoMark(StoreError):
    pass


class PairFault(enum.Enum):
    UNREADABLE = "missing, or not to be read"
    KEY = "not the key of the host certificate"
    SIGNATURE = "not signed by the root certificate"


class NoPair(StoreError):
    def __init__(self, file: Path, fault: PairFault) -> None:
        super().__init__(f"{file}: {fault.value}")
        self.file, self.fault = file, fault


class KamailioError(CommunicationServerError):
    pass


class ReloadError(CommunicationServerError):
    pass
