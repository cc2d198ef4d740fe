"""One module per family: how the calls of its ops are drawn, good ones (spoil.py makes bad ones of them)."""
