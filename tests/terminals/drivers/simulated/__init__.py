"""The telephones that drivers of other makers are tested with do what those say, and refuse what those say they refuse."""
