-- Reports of sales and of selling out read the bookings of their own show, and once. Items were
-- joined to all bookings that there are: where many had some, Postgres read every show's.

-- The show's own ranges of two primary keys, met in one pass. OFFSET 0 keeps that together: what
-- is asked of the rows (a time) would make Postgres expect few of them, and look up the items of a
-- million bookings one by one. Bookings without items have no key to meet by, and cost nothing.
CREATE VIEW booked_places AS
SELECT s.show, p.booking, p.created_ms, p.status, p.tier, p.quantity, p.amount
FROM shows s CROSS JOIN LATERAL (
  SELECT b.id AS booking, b.created_ms, b.status, coalesce(i.tier, b.tier) AS tier,
         coalesce(i.quantity, b.quantity) AS quantity,
         coalesce(i.quantity * i.price, b.amount) AS amount
  FROM bookings b
  LEFT JOIN booking_items i ON i.booking = CASE b.tier WHEN 0 THEN b.id END
                           AND i.booking BETWEEN show_first_id(s.show) AND show_last_id(s.show)
  WHERE b.id BETWEEN show_first_id(s.show) AND show_last_id(s.show)
  OFFSET 0) p;
COMMENT ON VIEW booked_places IS
  'Of every booking a row for each tier that it has places of, or had: quantity is 0 where those '
  'of this tier were given back and others were kept.';

-- As before (0015_analytics.sql), but from there.
CREATE OR REPLACE VIEW analytics_sales AS
SELECT g.show, g.tier, t.code, g.minute_ms, to_timestamp(g.minute_ms / 1000) AS minute, g.bookings,
       g.held, g.held_amount, g.pending, g.pending_amount, g.confirmed, g.confirmed_amount,
       g.cancelled, g.cancelled_amount, g.expired, g.failed
FROM (
  SELECT p.show, p.tier, p.created_ms / 60000 * 60000 AS minute_ms, count(*) AS bookings,
         coalesce(sum(p.quantity) FILTER (WHERE p.status = 'HELD'), 0) AS held,
         coalesce(sum(p.amount) FILTER (WHERE p.status = 'HELD'), 0) AS held_amount,
         coalesce(sum(p.quantity) FILTER (WHERE p.status = 'PENDING'), 0) AS pending,
         coalesce(sum(p.amount) FILTER (WHERE p.status = 'PENDING'), 0) AS pending_amount,
         coalesce(sum(p.quantity) FILTER (WHERE p.status = 'CONFIRMED'), 0) AS confirmed,
         coalesce(sum(p.amount) FILTER (WHERE p.status = 'CONFIRMED'), 0) AS confirmed_amount,
         coalesce(sum(p.quantity) FILTER (WHERE p.status = 'CANCELLED'), 0) AS cancelled,
         coalesce(sum(p.amount) FILTER (WHERE p.status = 'CANCELLED'), 0) AS cancelled_amount,
         coalesce(sum(p.quantity) FILTER (WHERE p.status = 'EXPIRED'), 0) AS expired,
         coalesce(sum(p.quantity) FILTER (WHERE p.status = 'FAILED'), 0) AS failed
  FROM booked_places p WHERE p.quantity > 0
  GROUP BY p.show, p.tier, p.created_ms / 60000 * 60000) g
JOIN tiers t ON t.show = g.show AND t.tier = g.tier;

CREATE OR REPLACE VIEW analytics_sell_out AS
SELECT r.show, r.tier, r.code, r.capacity, r.available,
       to_timestamp(r.first_ms / 1000.0) AS first_at,
       to_timestamp(r.sold_out_ms / 1000.0) AS sold_out_at,
       round((r.sold_out_ms - r.first_ms) / 1000.0, 3) AS seconds, r.first_ms, r.sold_out_ms
FROM (
  SELECT t.show, k.tier, max(k.code) AS code, sum(t.capacity) AS capacity,
         sum(t.available) AS available, min(l.first_ms) AS first_ms,
         CASE WHEN sum(t.available) = 0 THEN max(l.last_ms) END AS sold_out_ms
  FROM tiers t LEFT JOIN (
    SELECT p.show, p.tier, min(p.created_ms) AS first_ms,
           max(p.created_ms) FILTER (WHERE p.status IN ('HELD', 'PENDING', 'CONFIRMED')
                                       AND p.quantity > 0) AS last_ms
    FROM booked_places p
    GROUP BY p.show, p.tier) l ON l.show = t.show AND l.tier = t.tier
  CROSS JOIN LATERAL (VALUES (t.tier, t.code), (0, NULL)) AS k (tier, code)
  GROUP BY t.show, k.tier) r;
