#!/usr/bin/env python3
"""Every command of pbxcerts; `pbxcerts` is the same, installed."""

from pbxcerts.__main__ import main

if __name__ == "__main__":
    main()
