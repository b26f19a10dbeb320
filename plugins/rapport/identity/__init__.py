"""Who is the same person: identifiers seen together, connected; every customer's id stays theirs."""
