"""Other systems' names and semantics on clnn's layers and ops; no mathematics here."""
