"""What can go wrong in the agent. The trust store stands as it was, whatever is raised.

AgentError
├── AgentConfigError   the configuration cannot be used
├── TrustStoreError    the trust store cannot be read, written or locked
├── HookError          the command that makes programs load the trust store failed; it is run again in the next round
├── ServerUnreached    no whole answer came, or one that says "later"
├── ServerUntrusted    the server's certificate is not one that the trust store secures
├── ServerSuperseded   the server presents a pair that is older than the one of the last round, and nothing proves it
├── BundleRefused      what the server hands out must not become the trust store
└── NotWelcome         the server refuses the request: token, path or content

Messages are English and meant for logs. `exit_code` is what `once` ends with.
"""


class AgentError(Exception):
    exit_code = 1


class AgentConfigError(AgentError):
    exit_code = 2


class TrustStoreError(AgentError):
    pass


class HookError(AgentError):
    pass


class ServerUnreached(AgentError):
    pass


class ServerUntrusted(AgentError):
    exit_code = 3


class ServerSuperseded(AgentError):
    exit_code = 3


class BundleRefused(AgentError):
    exit_code = 3


class NotWelcome(AgentError):
    exit_code = 3
