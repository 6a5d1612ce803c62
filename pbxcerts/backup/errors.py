"""What can be wrong with a backup. Every message is a sentence for a person that says what to do.

BackupError
├── BackupNotMade    something that must be in it can't be read, or it can't be written
├── BackupRunning    another process makes one at this moment
├── BackupLocked     the passphrase or the keys do not open it
├── BackupDamaged    it is no backup, cut off, or changed
├── BackupUnfit      it is whole, but can't be restored here
└── LivesElsewhere   another machine works on the database that is to be replaced
"""


class BackupError(Exception):
    code = "backup"


class BackupNotMade(BackupError):
    code = "not_made"


class BackupRunning(BackupError):
    code = "running"


class BackupLocked(BackupError):
    code = "locked"


class BackupDamaged(BackupError):
    code = "damaged"


class BackupUnfit(BackupError):
    code = "unfit"


class LivesElsewhere(BackupError):
    code = "lives_elsewhere"
