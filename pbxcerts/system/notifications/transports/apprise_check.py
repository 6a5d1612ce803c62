"""Whether Apprise understands the URL on standard input: a process of its own, which writes the name of the service.

Exit status 0: it does; 1: it does not; 3: it would be told on this machine only.
"""

import logging
import sys

from pbxcerts.system import own_process
from pbxcerts.system.notifications.transports.apprise_service import LocalService, UrlNotUnderstood, service_of


def main() -> int:
    own_process.begin()
    # It would write the URL.
    logging.disable()
    try:
        name = str(service_of(sys.stdin.read().strip()).service_name)
    except LocalService as local:
        sys.stdout.write(str(local))
        return 3
    except UrlNotUnderstood:
        return 1
    sys.stdout.write(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
