-- Seats that cost little: a fact stands in one place, and what follows from others is not written.
--
-- A seat's status is that of the booking that has it, so only who has it is written down: a row when
-- it is taken, none when it is given back, and nothing when its booking is confirmed or paid for.
-- A booking's list of seats stands in its own row. `seats` and `booking_seats` are views of it.

ALTER TABLE bookings ADD COLUMN seats integer[];
COMMENT ON COLUMN bookings.seats IS
  'Positions, ascending: those that it has, or had when it ended, as quantity says; NULL: none.';
UPDATE bookings b SET seats = l.seats FROM booking_seats l WHERE l.booking = b.id;
ALTER TABLE bookings ADD CONSTRAINT as_many_seats_as_places
  CHECK (seats IS NULL OR tier = 0 OR cardinality(seats) = quantity);

-- The map: a row a seat, written once.
ALTER TABLE seats RENAME TO seat_map;

-- A row for each seat that is not available: the live booking that has it, or the id of no booking
-- where it is blocked. The key is the last guard: nobody else has the seat.
CREATE TABLE seats_taken (
  show     integer NOT NULL,
  position integer NOT NULL,
  booking  uuid    NOT NULL,
  PRIMARY KEY (show, position)
);
INSERT INTO seats_taken (show, position, booking)
SELECT show, position, coalesce(booking, '00000000-0000-0000-0000-000000000000')
FROM seat_map WHERE status > 0 ORDER BY show, position;

DROP FUNCTION commit_seats, seats_fit_lines;
DROP TABLE booking_seats;
ALTER TABLE seat_map DROP COLUMN status, DROP COLUMN booking, RESET (fillfactor);

CREATE VIEW seats AS
SELECT m.show, m.position, m.tier,
       CASE WHEN t.booking IS NULL THEN 0
            WHEN t.booking = '00000000-0000-0000-0000-000000000000' THEN 4
            ELSE seat_status_of(b.status) END::smallint AS status,
       m.accessible, m.x, m.y, nullif(t.booking, '00000000-0000-0000-0000-000000000000') AS booking,
       m.id, m.section, m.row, m.number
FROM seat_map m
LEFT JOIN seats_taken t ON t.show = m.show AND t.position = m.position
LEFT JOIN bookings b ON b.id = t.booking;
COMMENT ON COLUMN seats.status IS '0 available, 1 held, 2 pending, 3 booked, 4 blocked';

CREATE VIEW booking_seats AS SELECT id AS booking, seats FROM bookings WHERE seats IS NOT NULL;

-- What follows replaces what 0002_commit.sql made: new bookings come with their seats (n_seats, each
-- list as Postgres writes an array, or NULL), and changes with what is left of them (c_seats, where
-- some were given back). Its plans are made once: they are by index whatever the arrays hold, and to
-- make one anew took longer than most of these statements.
DROP FUNCTION commit_batch, change_bookings;

-- One round of a batch's changes: no booking occurs twice in it. Returns the tiers' moves.
CREATE FUNCTION change_bookings(
  p_round integer, c_round integer[], c_booking uuid[], c_status integer[], c_expires bigint[],
  c_amount bigint[], c_give_tier integer[], c_give integer[], c_origin bytea[], c_seats text[])
RETURNS tier_move[] LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  moves tier_move[];
  given tier_move[];
  affected bigint;
  fits boolean;
  wanted bigint := (SELECT count(*) FROM unnest(c_round) r WHERE r = p_round);
BEGIN
  -- Places that are given back leave first, in the state that the booking has; then the rest moves.
  SELECT array_agg(tier_move_between(b.show, c.give_tier, c.give, status_number(b.status), 4))
  INTO given
  FROM unnest(c_round, c_booking, c_give_tier, c_give) AS c (round, booking, give_tier, give)
  JOIN bookings b ON b.id = c.booking
  WHERE c.round = p_round AND c.give > 0;
  UPDATE booking_items i SET quantity = i.quantity - c.give
  FROM unnest(c_round, c_booking, c_give_tier, c_give) AS c (round, booking, give_tier, give)
  WHERE c.round = p_round AND c.give > 0 AND i.booking = c.booking AND i.tier = c.give_tier;

  SELECT booking_moves_of(array_agg(c.booking), array_agg(c.status)) INTO moves
  FROM unnest(c_round, c_booking, c_status) AS c (round, booking, status)
  WHERE c.round = p_round;

  UPDATE bookings b
  SET status = (enum_range(NULL::booking_status))[c.status],
      expires_ms = coalesce(c.expires, b.expires_ms),
      quantity = b.quantity - c.give,
      amount = c.amount,
      origin = coalesce(b.origin, c.origin),
      seats = coalesce(c.seats::integer[], b.seats)
  FROM unnest(c_round, c_booking, c_status, c_expires, c_amount, c_give, c_origin, c_seats)
       AS c (round, booking, status, expires, amount, give, origin, seats)
  WHERE c.round = p_round AND b.id = c.booking
    AND (c.seats IS NULL OR b.seats @> c.seats::integer[]);
  GET DIAGNOSTICS affected = ROW_COUNT;
  fits := batch_expects('changes', affected, wanted);
  RETURN coalesce(moves, '{}') || coalesce(given, '{}');
END $$;

-- A booking of several tiers has in each tier of seats as many as its line says.
CREATE FUNCTION seats_fit_lines(p_booking uuid, p_show integer, p_seats integer[])
RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT NOT EXISTS (
    SELECT FROM (
      SELECT i.tier, i.quantity FROM booking_items i
      JOIN tiers t ON t.show = p_show AND t.tier = i.tier AND t.kind = 'seats'
      WHERE i.booking = p_booking AND i.quantity > 0) AS wanted (tier, quantity)
    FULL JOIN (
      SELECT m.tier, count(*) FROM unnest(p_seats) AS p (position)
      JOIN seat_map m ON m.show = p_show AND m.position = p.position
      GROUP BY m.tier) AS has (tier, quantity) USING (tier)
    WHERE wanted.quantity IS DISTINCT FROM has.quantity)
$$;

-- The seats' part of a batch, in the same words as commit_batch, which calls it when the bookings
-- have moved.
--
-- A new booking takes the seats of its list: each must be of the map and of the booking's tier, and
-- nobody's. So it needs no look afterwards. Each other booking that was touched is looked at: it has
-- exactly the seats of its list, or none once it is dead.
CREATE FUNCTION commit_seats(
  n_id uuid[], n_show integer[], n_tier integer[], n_seats text[], c_booking uuid[],
  x_booking uuid[], m_show integer[], m_position integer[], m_from uuid[], m_to uuid[],
  m_undone uuid[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  affected bigint;
  touched uuid[];
  fits boolean;
  blocked CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
  -- What is given back goes first: somebody else may have it in the same batch.
  IF cardinality(m_show) > 0 THEN
    DELETE FROM seats_taken t USING unnest(m_show, m_position, m_from) AS m (show, position, booking)
    WHERE t.show = m.show AND t.position = m.position AND t.booking = m.booking;
    GET DIAGNOSTICS affected = ROW_COUNT;
    fits := batch_expects('seats that are given back', affected,
                          (SELECT count(f) FROM unnest(m_from) f));
  END IF;

  -- What is no such seat has no position: NOT NULL refuses it.
  IF cardinality(n_seats) > 0 THEN
    INSERT INTO seats_taken (show, position, booking)
    SELECT n.show, m.position, n.id
    FROM (SELECT u.id, u.show, u.tier, unnest(u.seats::integer[]) AS position
          FROM unnest(n_id, n_show, n_tier, n_seats) AS u (id, show, tier, seats)
          WHERE u.id <> ALL (m_undone)) AS n
    LEFT JOIN seat_map m ON m.show = n.show AND m.position = n.position AND n.tier IN (0, m.tier);
  END IF;
  IF cardinality(m_show) > 0 THEN
    INSERT INTO seats_taken (show, position, booking)
    SELECT m.show, m.position, s.booking
    FROM unnest(m_show, m_position, m_to) AS s (show, position, booking)
    LEFT JOIN bookings b ON b.id = s.booking AND b.show = s.show AND s.position = ANY (b.seats)
    LEFT JOIN seat_map m ON m.show = s.show AND m.position = s.position
                        AND (b.id IS NOT NULL OR s.booking = blocked)
    WHERE s.booking IS NOT NULL;
  END IF;

  touched := c_booking || x_booking || m_from || m_to || m_undone;
  IF 0 = ANY (n_tier) THEN
    touched := touched || n_id;
  END IF;
  IF cardinality(touched) > 0 THEN
    SELECT count(*) INTO affected
    FROM bookings b
    WHERE b.id = ANY (touched) AND b.seats IS NOT NULL AND (
      CASE WHEN seat_status_of(b.status) > 0 THEN cardinality(b.seats) ELSE 0 END <> (
        SELECT count(*) FROM unnest(b.seats) AS p (position)
        JOIN seats_taken t ON t.show = b.show AND t.position = p.position AND t.booking = b.id
        JOIN seat_map m ON m.show = b.show AND m.position = p.position
        WHERE b.tier IN (0, m.tier))
      OR (b.tier = 0 AND NOT seats_fit_lines(b.id, b.show, b.seats)));
    fits := batch_expects('bookings that have other seats than their places', affected, 0);
  END IF;
END $$;

-- Commit one batch: everything or nothing. The arrays are columns; rows of one kind share an index.
--
--   n_*  new bookings, held if n_expires is not NULL, else confirmed; tier 0: lines in i_*
--   i_*  lines of new bookings of several tiers
--   c_*  changes to bookings, in order; c_round counts changes of one booking within the batch;
--        c_give is how many places of tier c_give_tier are given back while the booking lives on
--   x_*  holds whose time has passed
--   t_*  the tiers' counters after the batch, as the decision script has them
--   m_*  seats that go from and to a booking (NULL: available; the id of no booking: blocked), except
--        those that new bookings take, and keep; m_undone are new ones that did not keep all
--
-- Counters are moved by what the rows say, not by what the caller says, and must then equal what
-- the script believes: a Redis that has drifted from Postgres cannot commit.
CREATE FUNCTION commit_batch(
  p_partition integer, p_epoch bigint, p_version bigint, p_cursor text, p_now_ms bigint,
  p_answers bytea,
  n_id uuid[], n_show integer[], n_user text[], n_expires bigint[], n_amount bigint[],
  n_fingerprint bigint[], n_tier integer[], n_quantity integer[], n_price bigint[],
  i_booking uuid[], i_tier integer[], i_quantity integer[], i_price bigint[],
  c_round integer[], c_request uuid[], c_booking uuid[], c_op smallint[], c_status integer[],
  c_expires bigint[], c_amount bigint[], c_give_tier integer[], c_give integer[],
  c_origin bytea[], c_answer bytea[],
  x_booking uuid[],
  t_show integer[], t_tier integer[], t_available integer[], t_held integer[],
  t_pending integer[], t_confirmed integer[],
  n_seats text[] DEFAULT '{}', c_seats text[] DEFAULT '{}',
  m_show integer[] DEFAULT '{}', m_position integer[] DEFAULT '{}', m_from uuid[] DEFAULT '{}',
  m_to uuid[] DEFAULT '{}', m_undone uuid[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
-- Its plans are kept while the tables grow from nothing to millions: only those by index stay good.
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  moves tier_move[] := '{}';
  found_moves tier_move[];
  affected bigint;
  wanted bigint;
  fits boolean;
BEGIN
  -- The fence comes first: it takes the row's lock, so that commits and claims stand in line.
  UPDATE partitions
  SET version = p_version, cursor = p_cursor, now_ms = greatest(now_ms, p_now_ms),
      heartbeat = clock_timestamp()
  WHERE partition = p_partition AND epoch = p_epoch AND version = p_version - 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % is not at epoch % and version %',
      p_partition, p_epoch, p_version - 1 USING ERRCODE = 'US001';
  END IF;

  IF cardinality(x_booking) > 0 THEN
    moves := moves || booking_moves_of(x_booking, array_fill(5, ARRAY[cardinality(x_booking)]));
    UPDATE bookings SET status = 'EXPIRED' WHERE id = ANY (x_booking);
    GET DIAGNOSTICS affected = ROW_COUNT;
    fits := batch_expects('expiries', affected, cardinality(x_booking));
  END IF;

  IF cardinality(n_id) > 0 THEN
    INSERT INTO bookings (id, created_ms, expires_ms, amount, fingerprint, show, tier, quantity,
                          price, status, user_id, seats)
    SELECT n.id, p_now_ms, n.expires, n.amount, n.fingerprint, n.show, n.tier, n.quantity, n.price,
           CASE WHEN n.expires IS NULL THEN 'CONFIRMED' ELSE 'HELD' END::booking_status, n.user_id,
           n.seats::integer[]
    FROM unnest(n_id, n_show, n_user, n_expires, n_amount, n_fingerprint, n_tier, n_quantity,
                n_price, n_seats)
         AS n (id, show, user_id, expires, amount, fingerprint, tier, quantity, price, seats);
    SELECT array_agg(ROW(m.show, m.tier, -(m.held + m.confirmed), m.held, 0, m.confirmed)::tier_move)
    INTO found_moves FROM (
      SELECT n.show, n.tier,
             coalesce(sum(n.quantity) FILTER (WHERE n.expires IS NOT NULL), 0) AS held,
             coalesce(sum(n.quantity) FILTER (WHERE n.expires IS NULL), 0) AS confirmed
      FROM unnest(n_show, n_tier, n_quantity, n_expires) AS n (show, tier, quantity, expires)
      WHERE n.tier > 0 GROUP BY n.show, n.tier) m;
    moves := moves || found_moves;
  END IF;

  IF cardinality(i_booking) > 0 OR 0 = ANY (n_tier) THEN
    INSERT INTO booking_items (booking, tier, quantity, price)
    SELECT * FROM unnest(i_booking, i_tier, i_quantity, i_price);
    SELECT array_agg(ROW(m.show, m.tier, -(m.held + m.confirmed), m.held, 0, m.confirmed)::tier_move)
    INTO found_moves FROM (
      SELECT b.show, i.tier,
             coalesce(sum(i.quantity) FILTER (WHERE b.expires_ms IS NOT NULL), 0) AS held,
             coalesce(sum(i.quantity) FILTER (WHERE b.expires_ms IS NULL), 0) AS confirmed
      FROM unnest(i_booking, i_tier, i_quantity) AS i (booking, tier, quantity)
      JOIN bookings b ON b.id = i.booking
      GROUP BY b.show, i.tier) m;
    moves := moves || found_moves;
    -- The head of such a booking says the same as its lines.
    SELECT count(*) INTO affected
    FROM (SELECT i.booking, sum(i.quantity) AS quantity, sum(i.quantity * i.price) AS amount
          FROM unnest(i_booking, i_quantity, i_price) AS i (booking, quantity, price)
          GROUP BY i.booking) s
    JOIN bookings b ON b.id = s.booking AND b.tier = 0
                   AND b.quantity = s.quantity AND b.amount = s.amount;
    fits := batch_expects('bookings of several tiers', affected,
                          (SELECT count(*) FROM unnest(n_tier) t WHERE t = 0));
  END IF;

  IF cardinality(c_booking) > 0 THEN
    FOR round IN 1 .. (SELECT max(r) FROM unnest(c_round) r) LOOP
      moves := moves || change_bookings(round, c_round, c_booking, c_status, c_expires, c_amount,
                                        c_give_tier, c_give, c_origin, c_seats);
    END LOOP;
    INSERT INTO booking_changes (request, booking, op, at_ms, answer)
    SELECT c.request, c.booking, c.op, p_now_ms, c.answer
    FROM unnest(c_request, c_booking, c_op, c_answer) AS c (request, booking, op, answer);
  END IF;

  IF cardinality(n_seats) + cardinality(c_booking) + cardinality(x_booking)
     + cardinality(m_show) + cardinality(m_undone) > 0 THEN
    PERFORM commit_seats(n_id, n_show, n_tier, n_seats, c_booking, x_booking, m_show, m_position,
                         m_from, m_to, m_undone);
  END IF;

  -- What moved and did not move back; afterwards each such tier is exactly as the script has it.
  IF cardinality(moves) > 0 THEN
    WITH net AS (
      SELECT (x).show, (x).tier, sum((x).available) AS available, sum((x).held) AS held,
             sum((x).pending) AS pending, sum((x).confirmed) AS confirmed
      FROM unnest(moves) x GROUP BY 1, 2
      HAVING (sum((x).available), sum((x).held), sum((x).pending), sum((x).confirmed))
             <> (0, 0, 0, 0)
    ), moved AS (
      UPDATE tiers t
      SET available = t.available + m.available, held = t.held + m.held,
          pending = t.pending + m.pending, confirmed = t.confirmed + m.confirmed
      FROM net m WHERE t.show = m.show AND t.tier = m.tier
      RETURNING t.show, t.tier, t.available, t.held, t.pending, t.confirmed
    )
    SELECT (SELECT count(*) FROM moved
            JOIN unnest(t_show, t_tier, t_available, t_held, t_pending, t_confirmed)
                 AS e (show, tier, available, held, pending, confirmed)
            USING (show, tier, available, held, pending, confirmed)),
           (SELECT count(*) FROM net)
    INTO affected, wanted;
    fits := batch_expects('tiers as the script has them', affected, wanted);
  END IF;

  -- Invariant 6, where a show limits its users: what is live after this batch, over all tiers.
  IF EXISTS (SELECT FROM shows s WHERE s.show = ANY (n_show) AND s.max_per_user IS NOT NULL)
     AND EXISTS (
    SELECT FROM unnest(n_show, n_user) AS u (show, user_id)
    JOIN shows s ON s.show = u.show AND s.max_per_user IS NOT NULL
    WHERE s.max_per_user < (
      SELECT sum(b.quantity) FROM bookings b
      WHERE hashtextextended(b.user_id, 0) = hashtextextended(u.user_id, 0)
        AND b.user_id = u.user_id AND b.show = u.show
        AND b.status IN ('HELD', 'PENDING', 'CONFIRMED'))) THEN
    RAISE EXCEPTION 'a user would have more places than the show allows'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'max_per_user';
  END IF;

  INSERT INTO batches (partition, version, epoch, cursor, now_ms, answers)
  VALUES (p_partition, p_version, p_epoch, p_cursor, p_now_ms, p_answers);
END $$;

REVOKE ALL ON FUNCTION change_bookings, commit_batch, commit_seats, seats_fit_lines FROM PUBLIC;
GRANT EXECUTE ON FUNCTION commit_batch TO usher_allocator;
GRANT EXECUTE ON FUNCTION seat_status_of TO usher_allocator, usher_gateway;
GRANT SELECT ON seats, booking_seats, seat_map, seats_taken TO usher_allocator, usher_gateway;
