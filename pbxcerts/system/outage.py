"""What is away and tried again every few seconds, in the log (rule said-on-change)."""

import logging

REASONS_AT_MOST = 10


class Outage:
    """The log says when it begins, when the reason is another one, and when it is over: a line for each try would be 43,000 a day."""

    def __init__(self, logger: logging.Logger, over: str) -> None:
        self._logger, self._over = logger, over
        self._reasons: set[str] = set()

    def goes_on(self, error: BaseException, text: str, *values: object) -> None:
        """`text` ends with the place of the reason; a driver adds lines of advice to that."""
        reason = str(error).strip().partition("\n")[0]
        if reason in self._reasons or len(self._reasons) >= REASONS_AT_MOST:
            return
        self._reasons.add(reason)
        self._logger.warning(text, *values, reason)

    def is_over(self) -> None:
        if self._reasons:
            self._reasons.clear()
            self._logger.info(self._over)
