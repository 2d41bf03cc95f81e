-- What programs need not, they may not. Trigger functions of 0014_notify.sql were everybody's to
-- execute, as every new function is in Postgres unless it is taken back; from now on none is that
-- this owner makes. seats and booking_seats are views that look with their owner's eyes, so nobody
-- else need read what they are made of.

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;

REVOKE SELECT ON seat_map, seats_taken FROM usher_allocator, usher_gateway;
REVOKE SELECT ON refunds FROM usher_allocator;

-- Tables of one's own, with functions of one's own on them, are no program's business. Whoever does
-- not own the database hears a warning here, and finds the words in docs/OPERATE.md.
DO $$
BEGIN
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
