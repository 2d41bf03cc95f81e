-- What an allocator may do: take a partition, stamp it, name its Redis generation, commit a batch.
-- Each is one statement and so one transaction. They run with the owner's rights; the allocator's
-- role may call them and read, and do nothing else.

-- A new owner. Waits for a transaction of the old one that is still under way: once this returns,
-- every commit of an older epoch has happened or never will. `p_epoch_min` lifts the epoch above
-- one that Redis has already seen (a Postgres restored from a backup).
CREATE FUNCTION claim_partition(p_partition integer, p_owner text, p_epoch_min bigint)
RETURNS TABLE (epoch bigint, version bigint, cursor text, now_ms bigint, generation text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE partitions p
  SET epoch = greatest(p.epoch + 1, p_epoch_min), owner = p_owner, heartbeat = clock_timestamp()
  WHERE p.partition = p_partition
  RETURNING p.epoch, p.version, p.cursor, p.now_ms, p.generation
$$;

-- The owner lives. Also carries its clock, so that a reader can tell that a deadline has passed.
CREATE FUNCTION stamp_partition(p_partition integer, p_epoch bigint, p_now_ms bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE partitions SET heartbeat = clock_timestamp(), now_ms = greatest(now_ms, p_now_ms)
  WHERE partition = p_partition AND epoch = p_epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % has another owner', p_partition USING ERRCODE = 'US001';
  END IF;
END $$;

-- Before Redis is switched to a namespace, Postgres knows its name.
CREATE FUNCTION name_generation(p_partition integer, p_epoch bigint, p_generation text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE partitions SET generation = p_generation, heartbeat = clock_timestamp()
  WHERE partition = p_partition AND epoch = p_epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % has another owner', p_partition USING ERRCODE = 'US001';
  END IF;
END $$;

-- The journal is bounded by age and by count; a few rows at a time, outside the commit's way.
CREATE FUNCTION prune_journal(p_partition integer, p_version_min bigint, p_now_ms_min bigint,
                              p_rows_max integer)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH old AS (
    SELECT partition, version FROM batches
    WHERE partition = p_partition AND (version < p_version_min OR now_ms < p_now_ms_min)
    ORDER BY version LIMIT p_rows_max
  ), gone AS (
    DELETE FROM batches b USING old WHERE b.partition = old.partition AND b.version = old.version
    RETURNING 1
  )
  SELECT count(*) FROM gone
$$;

-- How far one tier's counters move.
CREATE TYPE tier_move AS (show integer, tier integer, available bigint, held bigint, pending bigint,
                          confirmed bigint);

-- The moves when places of a tier go from one booking state to another (numbers of base/model.h).
CREATE FUNCTION tier_move_between(p_show integer, p_tier integer, p_quantity bigint,
                                  p_from integer, p_to integer)
RETURNS tier_move LANGUAGE sql IMMUTABLE AS $$
  SELECT ROW(p_show, p_tier,
             p_quantity * ((p_to > 3)::integer - (p_from > 3)::integer),
             p_quantity * ((p_to = 1)::integer - (p_from = 1)::integer),
             p_quantity * ((p_to = 2)::integer - (p_from = 2)::integer),
             p_quantity * ((p_to = 3)::integer - (p_from = 3)::integer))::tier_move
$$;

CREATE FUNCTION status_number(p_status booking_status) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
  SELECT array_position(enum_range(NULL::booking_status), p_status)
$$;

-- The moves when these bookings, whole and as they stand, go to these states.
CREATE FUNCTION booking_moves_of(p_bookings uuid[], p_to integer[])
RETURNS tier_move[] LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(array_agg(
    tier_move_between(b.show, coalesce(i.tier, b.tier), coalesce(i.quantity, b.quantity),
                      status_number(b.status), c.status)), '{}')
  FROM unnest(p_bookings, p_to) AS c (booking, status)
  JOIN bookings b ON b.id = c.booking
  LEFT JOIN booking_items i ON i.booking = b.id AND b.tier = 0
$$;

-- An expression, not a statement, to its callers: that is much the cheaper in PL/pgSQL.
CREATE FUNCTION batch_expects(p_what text, p_found bigint, p_wanted bigint) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF p_found IS DISTINCT FROM p_wanted THEN
    RAISE EXCEPTION 'batch: % of % rows fit: %', p_found, p_wanted, p_what
      USING ERRCODE = 'check_violation', CONSTRAINT = 'batch_expects';
  END IF;
  RETURN true;
END $$;

-- One round of a batch's changes: no booking occurs twice in it. Returns the tiers' moves.
CREATE FUNCTION change_bookings(
  p_round integer, c_round integer[], c_booking uuid[], c_status integer[], c_expires bigint[],
  c_amount bigint[], c_give_tier integer[], c_give integer[], c_origin bytea[])
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
      origin = coalesce(b.origin, c.origin)
  FROM unnest(c_round, c_booking, c_status, c_expires, c_amount, c_give, c_origin)
       AS c (round, booking, status, expires, amount, give, origin)
  WHERE c.round = p_round AND b.id = c.booking;
  GET DIAGNOSTICS affected = ROW_COUNT;
  fits := batch_expects('changes', affected, wanted);
  RETURN coalesce(moves, '{}') || coalesce(given, '{}');
END $$;

-- Commit one batch: everything or nothing. The arrays are columns; rows of one kind share an index.
--
--   n_*  new bookings, held if n_expires is not NULL, else confirmed; tier 0: lines in i_*
--   i_*  lines of new bookings of several tiers
--   c_*  changes to bookings, in order; c_round counts changes of one booking within the batch;
--        c_give is how many places of tier c_give_tier are given back while the booking lives on
--   x_*  holds whose time has passed
--   t_*  the tiers' counters after the batch, as the decision script has them
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
  t_pending integer[], t_confirmed integer[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
-- Its plans are kept while the tables grow from nothing to millions: only those by index stay good.
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
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
                          price, status, user_id)
    SELECT n.id, p_now_ms, n.expires, n.amount, n.fingerprint, n.show, n.tier, n.quantity, n.price,
           CASE WHEN n.expires IS NULL THEN 'CONFIRMED' ELSE 'HELD' END::booking_status, n.user_id
    FROM unnest(n_id, n_show, n_user, n_expires, n_amount, n_fingerprint, n_tier, n_quantity,
                n_price)
         AS n (id, show, user_id, expires, amount, fingerprint, tier, quantity, price);
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
                                        c_give_tier, c_give, c_origin);
    END LOOP;
    INSERT INTO booking_changes (request, booking, op, at_ms, answer)
    SELECT c.request, c.booking, c.op, p_now_ms, c.answer
    FROM unnest(c_request, c_booking, c_op, c_answer) AS c (request, booking, op, answer);
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
  IF cardinality(n_id) > 0 AND EXISTS (
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
