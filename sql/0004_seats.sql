-- Numbered seats: one row a seat, the last guard that a seat has at most one live booking.
--
-- A tier of kind 'seats' has as many rows here as its capacity; its counters go on as before. A
-- seat's position is its place in the show's map (base/seats.h). Nobody but commit_seats moves a
-- seat; it goes with commit_batch in one statement.

ALTER TABLE tiers DROP CONSTRAINT tiers_kind_check;
ALTER TABLE tiers ADD CONSTRAINT tiers_kind_check CHECK (kind IN ('counter', 'seats'));

-- No index on what changes: seats are found by their position, and a booking's by its list.
CREATE TABLE seats (
  show       integer  NOT NULL,
  position   integer  NOT NULL CHECK (position BETWEEN 1 AND 200000),
  tier       integer  NOT NULL,
  status     smallint NOT NULL DEFAULT 0,  -- 0 available, 1 held, 2 pending, 3 booked, 4 blocked
  accessible boolean  NOT NULL DEFAULT false,
  x          real,
  y          real,
  booking    uuid,
  id         text     NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 40),
  section    text     NOT NULL DEFAULT '' CHECK (octet_length(section) <= 40),
  row        text     NOT NULL DEFAULT '' CHECK (octet_length(row) <= 40),
  number     text     NOT NULL DEFAULT '' CHECK (octet_length(number) <= 40),
  PRIMARY KEY (show, position),
  UNIQUE (show, id),
  FOREIGN KEY (show, tier) REFERENCES tiers,
  CONSTRAINT seat_status CHECK (status BETWEEN 0 AND 4),
  CONSTRAINT seat_has_its_booking CHECK ((status IN (1, 2, 3)) = (booking IS NOT NULL))
) WITH (fillfactor = 60);

CREATE TABLE booking_seats (
  booking uuid      PRIMARY KEY,
  seats   integer[] NOT NULL CHECK (cardinality(seats) BETWEEN 1 AND 1000)
) WITH (fillfactor = 90);
COMMENT ON COLUMN booking_seats.seats IS
  'Positions, ascending: those that it has, or had when it ended, as bookings.quantity says.';

-- The seat status of a booking in this state; the dead have no seats.
CREATE FUNCTION seat_status_of(p_status booking_status) RETURNS smallint
LANGUAGE sql IMMUTABLE AS $$
  SELECT (CASE p_status WHEN 'HELD' THEN 1 WHEN 'PENDING' THEN 2 WHEN 'CONFIRMED' THEN 3
          ELSE 0 END)::smallint
$$;

-- The same question for a booking of several tiers: in each tier of seats, as many as its line says.
CREATE FUNCTION seats_fit_lines(p_booking uuid, p_show integer, p_status booking_status,
                                p_seats integer[])
RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT NOT EXISTS (
    SELECT FROM (
      SELECT i.tier, i.quantity FROM booking_items i
      JOIN tiers t ON t.show = p_show AND t.tier = i.tier AND t.kind = 'seats'
      WHERE i.booking = p_booking AND i.quantity > 0) AS wanted (tier, quantity)
    FULL JOIN (
      SELECT s.tier, count(*) FROM unnest(p_seats) AS p (position)
      JOIN seats s ON s.show = p_show AND s.position = p.position
      WHERE CASE WHEN seat_status_of(p_status) > 0
        THEN s.status = seat_status_of(p_status) AND s.booking = p_booking
        ELSE s.booking IS DISTINCT FROM p_booking END
      GROUP BY s.tier) AS has (tier, quantity) USING (tier)
    WHERE wanted.quantity IS DISTINCT FROM has.quantity)
  AND cardinality(p_seats) = (
    SELECT sum(i.quantity) FROM booking_items i
    JOIN tiers t ON t.show = p_show AND t.tier = i.tier AND t.kind = 'seats'
    WHERE i.booking = p_booking)
$$;

-- The seats' part of a batch, right behind commit_batch.
--
--   s_*  seats that moved: from what the rows must say before the batch, to what they say after it
--   h_*  seats of bookings whose seats are new or became fewer, a row each
--
-- Afterwards each booking that was touched has exactly the seats of its list, one for each of its
-- places in tiers of seats, all in the status that goes with its state; and none once it is dead.
CREATE FUNCTION commit_seats(
  p_partition integer, p_epoch bigint, p_version bigint, p_now_ms bigint,
  s_show integer[], s_position integer[], s_from smallint[], s_from_booking uuid[],
  s_to smallint[], s_to_booking uuid[],
  h_booking uuid[], h_position integer[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
DECLARE
  affected bigint;
  touched uuid[] := ARRAY(SELECT DISTINCT t.booking FROM (
    SELECT unnest(s_from_booking) UNION ALL SELECT unnest(s_to_booking)
    UNION ALL SELECT unnest(h_booking)) AS t (booking) WHERE t.booking IS NOT NULL);
  fits boolean;
BEGIN
  IF NOT EXISTS (SELECT FROM partitions p WHERE p.partition = p_partition AND p.epoch = p_epoch
                 AND p.version = p_version) THEN
    RAISE EXCEPTION 'partition % is not at epoch % and version %', p_partition, p_epoch, p_version
      USING ERRCODE = 'US001';
  END IF;

  INSERT INTO booking_seats AS b (booking, seats)
  SELECT h.booking, array_agg(h.position ORDER BY h.position)
  FROM unnest(h_booking, h_position) AS h (booking, position) GROUP BY h.booking
  ON CONFLICT (booking) DO UPDATE SET seats = excluded.seats WHERE b.seats @> excluded.seats;
  GET DIAGNOSTICS affected = ROW_COUNT;
  fits := batch_expects('lists of seats that are new or shorter', affected,
                        (SELECT count(DISTINCT h) FROM unnest(h_booking) h));

  -- No seat goes to a booking whose list does not have it.
  UPDATE seats s SET status = m.to_status, booking = m.to_booking
  FROM unnest(s_show, s_position, s_from, s_from_booking, s_to, s_to_booking)
       AS m (show, position, from_status, from_booking, to_status, to_booking)
  WHERE s.show = m.show AND s.position = m.position AND s.status = m.from_status
    AND s.booking IS NOT DISTINCT FROM m.from_booking
    AND (m.to_booking IS NULL OR (SELECT m.position = ANY (l.seats) FROM booking_seats l
                                  WHERE l.booking = m.to_booking));
  GET DIAGNOSTICS affected = ROW_COUNT;
  fits := batch_expects('seats as the script has them', affected, cardinality(s_show));

  -- One tier: its list is as long as it has places, and each seat of the list is its own and in the
  -- status of its state, or is not its own if it is dead.
  SELECT count(*) INTO affected
  FROM unnest(touched) AS t (booking)
  JOIN bookings b ON b.id = t.booking
  JOIN booking_seats l ON l.booking = b.id
  WHERE CASE WHEN b.tier > 0 THEN cardinality(l.seats) = b.quantity AND b.quantity = (
      SELECT count(*) FROM unnest(l.seats) AS p (position)
      JOIN seats s ON s.show = b.show AND s.position = p.position
      WHERE s.tier = b.tier AND CASE WHEN seat_status_of(b.status) > 0
        THEN s.status = seat_status_of(b.status) AND s.booking = b.id
        ELSE s.booking IS DISTINCT FROM b.id END)
    ELSE seats_fit_lines(b.id, b.show, b.status, l.seats) END;
  fits := batch_expects('bookings whose seats are their places', affected, cardinality(touched));
END $$;

REVOKE ALL ON FUNCTION seat_status_of, seats_fit_lines, commit_seats FROM PUBLIC;
GRANT SELECT ON seats, booking_seats TO usher_allocator, usher_gateway;
GRANT EXECUTE ON FUNCTION commit_seats TO usher_allocator;
