-- What operators ask of a sale, as views: of the bookings as they stand, and of what the allocators
-- count while they decide. Whoever has a tool that speaks SQL reads them as the gateways' reports do
-- (gateway/analytics.c): always of one show (WHERE show = …), and by the index.

-- What was decided, by minute; older than some days, by hour (the row of its first minute). Counted
-- in the allocators' memory and handed over twice a second, so it may lack the last half second
-- before an allocator was killed. Bookings are never counted from it.
CREATE TABLE decisions_by_minute (
  show      integer NOT NULL,
  minute_ms bigint  NOT NULL CHECK (minute_ms % 60000 = 0),
  code      text    NOT NULL CHECK (code ~ '^[A-Z_]{1,32}$'), -- of base/model.h, or REPEATED
  count     bigint  NOT NULL CHECK (count > 0),
  PRIMARY KEY (show, minute_ms, code)
) WITH (fillfactor = 70);
CREATE INDEX decisions_of_minutes ON decisions_by_minute (minute_ms)
  WHERE minute_ms % 3600000 <> 0;

-- How long requests waited, from their entry into the queue until their answer was durable: so many
-- of at most up_to_ms and more than the bound before (allocator/tally.c has the bounds; they grow by
-- half an octave).
CREATE TABLE waits_by_minute (
  show      integer NOT NULL,
  minute_ms bigint  NOT NULL CHECK (minute_ms % 60000 = 0),
  up_to_ms  integer NOT NULL,
  count     bigint  NOT NULL CHECK (count > 0),
  sum_ms    bigint  NOT NULL,
  max_ms    bigint  NOT NULL,
  PRIMARY KEY (show, minute_ms, up_to_ms)
) WITH (fillfactor = 70);
CREATE INDEX waits_of_minutes ON waits_by_minute (minute_ms) WHERE minute_ms % 3600000 <> 0;

-- What an owner has counted since it handed over last. The epoch is the fence, but there is no lock:
-- commits shall not wait for figures, and what an owner counted before it lost its partition was so.
-- Nor does anybody wait for the disk, or long for somebody's lock.
CREATE FUNCTION add_figures(
  p_partition integer, p_epoch bigint,
  d_show integer[], d_minute bigint[], d_code text[], d_count bigint[],
  w_show integer[], w_minute bigint[], w_up_to integer[], w_count bigint[], w_sum bigint[],
  w_max bigint[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM FROM partitions WHERE partition = p_partition AND epoch = p_epoch;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % has another owner', p_partition USING ERRCODE = 'US001';
  END IF;
  PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '100', true);

  INSERT INTO decisions_by_minute AS t (show, minute_ms, code, count)
  SELECT d.show, d.minute * 60000, d.code, d.count
  FROM unnest(d_show, d_minute, d_code, d_count) AS d (show, minute, code, count)
  JOIN shows s ON s.show = d.show
  ON CONFLICT (show, minute_ms, code) DO UPDATE SET count = t.count + excluded.count;

  INSERT INTO waits_by_minute AS t (show, minute_ms, up_to_ms, count, sum_ms, max_ms)
  SELECT w.show, w.minute * 60000, w.up_to, w.count, w.sum, w.max
  FROM unnest(w_show, w_minute, w_up_to, w_count, w_sum, w_max)
       AS w (show, minute, up_to, count, sum, max)
  JOIN shows s ON s.show = w.show
  ON CONFLICT (show, minute_ms, up_to_ms) DO UPDATE
  SET count = t.count + excluded.count, sum_ms = t.sum_ms + excluded.sum_ms,
      max_ms = greatest(t.max_ms, excluded.max_ms);
END $$;

-- Minutes before that time become hours, a few rows at a time; owners do it by the way, and one
-- passes over what another has in its hands.
CREATE FUNCTION roll_up_figures(p_before_ms bigint, p_rows_max integer)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '100', true);

  WITH old AS (
    SELECT show, minute_ms, code FROM decisions_by_minute
    WHERE minute_ms % 3600000 <> 0 AND minute_ms < p_before_ms
    ORDER BY minute_ms LIMIT p_rows_max FOR UPDATE SKIP LOCKED
  ), gone AS (
    DELETE FROM decisions_by_minute d USING old
    WHERE (d.show, d.minute_ms, d.code) = (old.show, old.minute_ms, old.code)
    RETURNING d.show, d.minute_ms / 3600000 * 3600000 AS hour_ms, d.code, d.count
  )
  INSERT INTO decisions_by_minute AS t (show, minute_ms, code, count)
  SELECT show, hour_ms, code, sum(count) FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
  ON CONFLICT (show, minute_ms, code) DO UPDATE SET count = t.count + excluded.count;

  WITH old AS (
    SELECT show, minute_ms, up_to_ms FROM waits_by_minute
    WHERE minute_ms % 3600000 <> 0 AND minute_ms < p_before_ms
    ORDER BY minute_ms LIMIT p_rows_max FOR UPDATE SKIP LOCKED
  ), gone AS (
    DELETE FROM waits_by_minute w USING old
    WHERE (w.show, w.minute_ms, w.up_to_ms) = (old.show, old.minute_ms, old.up_to_ms)
    RETURNING w.show, w.minute_ms / 3600000 * 3600000 AS hour_ms, w.up_to_ms, w.count, w.sum_ms,
              w.max_ms
  )
  INSERT INTO waits_by_minute AS t (show, minute_ms, up_to_ms, count, sum_ms, max_ms)
  SELECT show, hour_ms, up_to_ms, sum(count), sum(sum_ms), max(max_ms)
  FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
  ON CONFLICT (show, minute_ms, up_to_ms) DO UPDATE
  SET count = t.count + excluded.count, sum_ms = t.sum_ms + excluded.sum_ms,
      max_ms = greatest(t.max_ms, excluded.max_ms);
END $$;

-- A show's ids lie between these two: bookings, their items, changes and payments are found by the
-- primary key, and no index is kept for the sake of reports. That they are not PARALLEL SAFE is
-- meant: a report has one core and leaves the others to who sells.
CREATE FUNCTION show_first_id(p_show integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(p_show), 8, '0') || '-0000-0000-0000-000000000000')::uuid
$$;
CREATE FUNCTION show_last_id(p_show integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(p_show), 8, '0') || '-ffff-ffff-ffff-ffffffffffff')::uuid
$$;

-- The smallest of these times that so great a share of all does not exceed.
CREATE FUNCTION wait_percentile(p_share numeric, p_ms bigint[], p_count bigint[])
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT r.ms FROM (
    SELECT u.ms, sum(u.n) OVER (ORDER BY u.ms) AS up_to, sum(u.n) OVER () AS total
    FROM unnest(p_ms, p_count) AS u (ms, n)) r
  WHERE r.up_to >= p_share * r.total ORDER BY r.ms LIMIT 1
$$;

CREATE VIEW analytics_sales AS
SELECT g.show, g.tier, t.code, g.minute_ms, to_timestamp(g.minute_ms / 1000) AS minute, g.bookings,
       g.held, g.held_amount, g.pending, g.pending_amount, g.confirmed, g.confirmed_amount,
       g.cancelled, g.cancelled_amount, g.expired, g.failed
FROM (
  SELECT l.show, l.tier, l.minute_ms, count(*) AS bookings,
         coalesce(sum(l.quantity) FILTER (WHERE l.status = 'HELD'), 0) AS held,
         coalesce(sum(l.amount) FILTER (WHERE l.status = 'HELD'), 0) AS held_amount,
         coalesce(sum(l.quantity) FILTER (WHERE l.status = 'PENDING'), 0) AS pending,
         coalesce(sum(l.amount) FILTER (WHERE l.status = 'PENDING'), 0) AS pending_amount,
         coalesce(sum(l.quantity) FILTER (WHERE l.status = 'CONFIRMED'), 0) AS confirmed,
         coalesce(sum(l.amount) FILTER (WHERE l.status = 'CONFIRMED'), 0) AS confirmed_amount,
         coalesce(sum(l.quantity) FILTER (WHERE l.status = 'CANCELLED'), 0) AS cancelled,
         coalesce(sum(l.amount) FILTER (WHERE l.status = 'CANCELLED'), 0) AS cancelled_amount,
         coalesce(sum(l.quantity) FILTER (WHERE l.status = 'EXPIRED'), 0) AS expired,
         coalesce(sum(l.quantity) FILTER (WHERE l.status = 'FAILED'), 0) AS failed
  FROM (
    SELECT s.show, b.tier, b.created_ms / 60000 * 60000 AS minute_ms, b.status, b.quantity,
           b.amount
    FROM shows s JOIN bookings b ON b.id BETWEEN show_first_id(s.show) AND show_last_id(s.show)
    WHERE b.tier > 0
    UNION ALL
    SELECT s.show, i.tier, b.created_ms / 60000 * 60000, b.status, i.quantity, i.quantity * i.price
    FROM shows s
    JOIN booking_items i ON i.booking BETWEEN show_first_id(s.show) AND show_last_id(s.show)
    JOIN bookings b ON b.id = i.booking
    WHERE i.quantity > 0) l
  GROUP BY l.show, l.tier, l.minute_ms) g
JOIN tiers t ON t.show = g.show AND t.tier = g.tier;
COMMENT ON VIEW analytics_sales IS
  'By tier and by the minute in which they were booked or held: what those bookings are now. '
  'bookings: so many have places of the tier, or had when they ended. The others are places, and '
  '*_amount their money in minor units: as they stand, so places that were given back of a booking '
  'that lives on are in no figure; what was cancelled, expired or failed whole counts as it last was.';

CREATE VIEW analytics_holds AS
SELECT s.show, b.id AS booking, to_timestamp(b.created_ms / 1000.0) AS held_at, b.created_ms,
       b.status, b.quantity,
       least(c.confirmed_ms,
             CASE WHEN b.status = 'CONFIRMED'
                    OR (b.status = 'CANCELLED' AND p.settled_ms < c.cancelled_ms)
                  THEN p.settled_ms END) AS confirmed_ms
FROM shows s
JOIN bookings b ON b.id BETWEEN show_first_id(s.show) AND show_last_id(s.show)
               AND b.expires_ms IS NOT NULL
LEFT JOIN (
  SELECT h.show, c.booking, min(c.at_ms) FILTER (WHERE c.op = 3) AS confirmed_ms,
         max(c.at_ms) FILTER (WHERE c.op = 4) AS cancelled_ms
  FROM shows h
  JOIN booking_changes c ON c.request BETWEEN show_first_id(h.show) AND show_last_id(h.show)
  WHERE c.op IN (3, 4)
  GROUP BY h.show, c.booking) c ON c.show = s.show AND c.booking = b.id
LEFT JOIN payments p ON p.id = b.payment AND p.status = 'SUCCEEDED';
COMMENT ON VIEW analytics_holds IS
  'Every booking that began as a hold, offers to who waited included. confirmed_ms: when it was '
  'confirmed, or its payment succeeded; NULL: it never was. One that was cancelled within the '
  'millisecond in which its payment succeeded counts as never confirmed.';

CREATE VIEW analytics_conversion AS
SELECT show, date_trunc('hour', held_at) AS hour, count(*) AS holds,
       count(confirmed_ms) AS confirmed,
       count(*) FILTER (WHERE status IN ('HELD', 'PENDING')) AS open,
       count(*) FILTER (WHERE status = 'EXPIRED') AS expired,
       count(*) FILTER (WHERE status = 'CANCELLED' AND confirmed_ms IS NULL) AS cancelled,
       count(*) FILTER (WHERE status = 'FAILED') AS failed,
       round(count(confirmed_ms)::numeric
             / nullif(count(*) FILTER (WHERE status NOT IN ('HELD', 'PENDING')), 0), 4) AS share,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY confirmed_ms - created_ms) AS median_ms
FROM analytics_holds GROUP BY 1, 2;
COMMENT ON VIEW analytics_conversion IS
  'By the hour in which the hold was made, what became of it. holds = confirmed + open + expired + '
  'cancelled + failed: what was cancelled after it had been confirmed counts as confirmed, what is '
  'held or being paid for is open. share: of those that are not open, so many were confirmed. '
  'median_ms: half of the confirmed ones took no longer from hold to confirmation.';

CREATE VIEW analytics_sell_out AS
SELECT r.show, r.tier, r.code, r.capacity, r.available,
       to_timestamp(r.first_ms / 1000.0) AS first_at,
       to_timestamp(r.sold_out_ms / 1000.0) AS sold_out_at,
       round((r.sold_out_ms - r.first_ms) / 1000.0, 3) AS seconds, r.first_ms, r.sold_out_ms
FROM (
  SELECT t.show, k.tier, max(k.code) AS code, sum(t.capacity) AS capacity,
         sum(t.available) AS available, min(l.first_ms) AS first_ms,
         CASE WHEN sum(t.available) = 0 THEN max(l.last_ms) END AS sold_out_ms
  FROM tiers t LEFT JOIN (
    SELECT e.show, e.tier, min(e.created_ms) AS first_ms,
           max(e.created_ms) FILTER (WHERE e.lives) AS last_ms
    FROM (
      SELECT s.show, b.tier, b.created_ms, b.status IN ('HELD', 'PENDING', 'CONFIRMED') AS lives
      FROM shows s JOIN bookings b ON b.id BETWEEN show_first_id(s.show) AND show_last_id(s.show)
      WHERE b.tier > 0
      UNION ALL
      SELECT s.show, i.tier, b.created_ms,
             b.status IN ('HELD', 'PENDING', 'CONFIRMED') AND i.quantity > 0
      FROM shows s
      JOIN booking_items i ON i.booking BETWEEN show_first_id(s.show) AND show_last_id(s.show)
      JOIN bookings b ON b.id = i.booking) e
    GROUP BY e.show, e.tier) l ON l.show = t.show AND l.tier = t.tier
  CROSS JOIN LATERAL (VALUES (t.tier, t.code), (0, NULL)) AS k (tier, code)
  GROUP BY t.show, k.tier) r;
COMMENT ON VIEW analytics_sell_out IS
  'A row for each tier, and one of tier 0 for the show. first_at: when its first place was booked or '
  'held, whatever became of it. sold_out_at: NULL while anything is free; else when the last of the '
  'places that are held or sold now was taken: since then nothing was free, and before it something '
  'was. So a sell-out that ended by a cancellation or an expiry does not count, the one after it '
  'does; places that were added or blocked by hand count as if they had always been so. seconds: '
  'from first_at to sold_out_at.';

CREATE VIEW analytics_decisions AS
SELECT show, minute_ms, to_timestamp(minute_ms / 1000) AS minute, code, count AS requests
FROM decisions_by_minute;
COMMENT ON VIEW analytics_decisions IS
  'What people asked for, by how it was decided: GRANTED, the code of the refusal, or REPEATED for '
  'what had its answer before (a retry under the same key). Not what operators, couriers and '
  'usher itself ask. A request for several shows counts at its first one.';

CREATE VIEW analytics_refusals AS
SELECT * FROM analytics_decisions WHERE code NOT IN ('GRANTED', 'REPEATED');
COMMENT ON VIEW analytics_refusals IS 'Of analytics_decisions, what was refused, by the reason.';

CREATE VIEW analytics_waits AS
SELECT show, minute_ms, to_timestamp(minute_ms / 1000) AS minute, sum(count)::bigint AS requests,
       round(sum(sum_ms) / sum(count), 1) AS mean_ms,
       wait_percentile(0.50, array_agg(max_ms), array_agg(count)) AS p50_ms,
       wait_percentile(0.95, array_agg(max_ms), array_agg(count)) AS p95_ms,
       wait_percentile(0.99, array_agg(max_ms), array_agg(count)) AS p99_ms,
       max(max_ms) AS max_ms
FROM waits_by_minute GROUP BY show, minute_ms;
COMMENT ON VIEW analytics_waits IS
  'How long requests waited, from their entry into the queue until their answer was durable. The '
  'percentiles are the longest wait within a step of half an octave: not less than the true ones, '
  'and less than one and a half times as much (of waits above 4 ms).';

-- Gateways read what their reports name. Whoever looks with a tool of their own is made a member of
-- usher_analyst, which knows figures and no people.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'usher_analyst') THEN
    CREATE ROLE usher_analyst NOLOGIN;
  END IF;
END $$;

REVOKE ALL ON FUNCTION add_figures, roll_up_figures, show_first_id, show_last_id, wait_percentile
  FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO usher_analyst;
GRANT EXECUTE ON FUNCTION add_figures, roll_up_figures TO usher_allocator;
GRANT EXECUTE ON FUNCTION show_first_id, show_last_id, wait_percentile
  TO usher_gateway, usher_analyst;
GRANT SELECT ON analytics_sales, analytics_holds, analytics_sell_out, analytics_decisions,
  analytics_refusals, waits_by_minute TO usher_gateway, usher_analyst;
GRANT SELECT ON analytics_conversion, analytics_waits TO usher_analyst;
