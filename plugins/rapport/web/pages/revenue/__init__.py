"""Revenue: what was sold, to which cohorts and which kinds of customers, of which products."""
