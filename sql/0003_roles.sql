-- Who may do what. The owner (whoever migrates) has the tables; these two groups have what their
-- programs need and no more. Login roles of an installation are made members of them.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'usher_allocator') THEN
    CREATE ROLE usher_allocator NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'usher_gateway') THEN
    CREATE ROLE usher_gateway NOLOGIN;
  END IF;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA public TO usher_allocator, usher_gateway;
GRANT SELECT ON partitions, shows, tiers, bookings, booking_items, booking_changes, batches
  TO usher_allocator;
GRANT SELECT ON partitions, shows, tiers, bookings, booking_items, booking_changes TO usher_gateway;
GRANT EXECUTE ON FUNCTION claim_partition, stamp_partition, name_generation, prune_journal,
  commit_batch, status_number TO usher_allocator;
