"""Old customer ids: each leads, in one step, to whoever has the identifier that it stands for."""

import psycopg


def redirect(connection: psycopg.Connection, run_id: int) -> None:
    """Bring identity.merges up to date with the temp table `moved` (see `tables`).

    An id stands for the identifier that it was derived from. Where that is seen no more, it stands from then
    on for the identifier that was there first among those left of its customer, a device only if nothing else
    is left; if nothing is, it leads nowhere. Every redirect ends at a customer who has an identifier, so
    redirects cannot chain or run in a circle.
    """
    _follow_identifiers(connection, run_id)
    _find_heirs(connection, run_id)


def mend(connection: psycopg.Connection, run_id: int) -> int:
    """Point every redirect again at the customer of its identifier; how many were wrong.

    No run writes a wrong one; a hand that edits the table may.
    """
    connection.execute(
        """
        update identity.merges
        set kind = customers.kind, source = customers.source, value = customers.value
        from identity.customers
        where merges.old_customer_id = customers.customer_id and merges.value is null
        """
    )
    wrong = connection.execute(
        """
        delete from identity.merges using identity.identifiers
        where
            (identifiers.kind, identifiers.source, identifiers.value) = (merges.kind, merges.source,
            merges.value) and identifiers.customer_id = merges.old_customer_id
        """
    ).rowcount
    wrong += connection.execute(
        """
        update identity.merges set customer_id = identifiers.customer_id, run_id = %s
        from identity.identifiers
        where
            (identifiers.kind, identifiers.source, identifiers.value) = (merges.kind, merges.source,
            merges.value) and identifiers.customer_id <> merges.customer_id
        """,
        [run_id],
    ).rowcount
    return wrong


def are_sound(connection: psycopg.Connection) -> bool:
    """Whether no redirect leads to another one."""
    row = connection.execute(
        """
        select not exists (
            select from identity.merges
            inner join identity.merges as next on merges.customer_id = next.old_customer_id
        )
        """
    ).fetchone()
    return row is not None and bool(row[0])


def _follow_identifiers(connection: psycopg.Connection, run_id: int) -> None:
    connection.execute(
        """
        update identity.merges set customer_id = moved.new_customer_id, run_id = %s
        from moved
        where
            merges.kind = moved.kind and merges.source = moved.source and merges.value = moved.value
            and moved.new_customer_id is not null
            and moved.new_customer_id <> merges.old_customer_id
            and moved.new_customer_id <> merges.customer_id
        """,
        [run_id],
    )
    connection.execute(
        """
        delete from identity.merges using moved, identity.customers
        where
            customers.kind = moved.kind and customers.source = moved.source and customers.value = moved.value
            and moved.new_customer_id = customers.customer_id
            and merges.old_customer_id = customers.customer_id
        """
    )
    connection.execute(
        """
        insert into identity.merges (old_customer_id, customer_id, run_id, kind, source, value)
        select customers.customer_id, moved.new_customer_id, %s, kind, source, value
        from moved
        inner join identity.customers using (kind, source, value)
        where moved.new_customer_id <> customers.customer_id
        on conflict (old_customer_id) do update
        set
            customer_id = excluded.customer_id, run_id = excluded.run_id, kind = excluded.kind,
            source = excluded.source, value = excluded.value
        where
            (merges.customer_id, merges.kind, merges.source, merges.value)
            is distinct from (excluded.customer_id, excluded.kind, excluded.source, excluded.value)
        """,
        [run_id],
    )


def _find_heirs(connection: psycopg.Connection, run_id: int) -> None:
    heirless = connection.execute(
        """
        create temp table heirless on commit drop as
        select customers.customer_id as old_customer_id, moved.old_customer_id as last_customer_id
        from moved
        inner join identity.customers using (kind, source, value)
        where moved.new_customer_id is null
        union
        select merges.old_customer_id, moved.old_customer_id
        from moved
        inner join identity.merges using (kind, source, value)
        where moved.new_customer_id is null
        """
    ).rowcount
    # Most runs leave nobody without an heir, and the planner would read every identifier to see it.
    if not heirless:
        return
    connection.execute("analyze heirless")
    connection.execute(
        """
        with candidates as (
            select heirless.old_customer_id, moved.new_customer_id as customer_id, kind, source, value,
                moved.first_batch_id, moved.batch_first_seen_at
            from heirless
            inner join moved on heirless.last_customer_id = moved.old_customer_id
            where moved.new_customer_id is not null
            union all
            select heirless.old_customer_id, identifiers.customer_id, kind, source, value,
                identifiers.first_batch_id, identifiers.batch_first_seen_at
            from heirless
            inner join identity.identifiers on heirless.last_customer_id = identifiers.customer_id
            left join moved using (kind, source, value)
            where moved.kind is null
        ),

        heirs as (
            select distinct on (old_customer_id) *
            from candidates
            order by
                old_customer_id,
                kind = 'device',
                first_batch_id,
                batch_first_seen_at,
                array_position(array['customer_number', 'contact', 'email', 'phone', 'device'], kind),
                source collate "C",
                value collate "C"
        )

        insert into identity.merges (old_customer_id, customer_id, run_id, kind, source, value)
        select old_customer_id, customer_id, %s, kind, source, value from heirs
        on conflict (old_customer_id) do update
        set
            customer_id = excluded.customer_id, run_id = excluded.run_id, kind = excluded.kind,
            source = excluded.source, value = excluded.value
        """,
        [run_id],
    )
    connection.execute(
        """
        delete from identity.merges using heirless
        where
            merges.old_customer_id = heirless.old_customer_id
            and not exists (
                select from identity.identifiers
                where
                    identifiers.kind = merges.kind and identifiers.source = merges.source
                    and identifiers.value = merges.value
            )
        """
    )
