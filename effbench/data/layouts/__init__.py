"""One module per layout; each says which splits a folder has and opens one of them as a ``DataSet``."""
