"""How trust material reaches a terminal: one file per delivery method, pure, found by `registry`."""
