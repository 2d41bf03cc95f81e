-- As before (0015_analytics.sql), but payments are looked up where there are some. Joined, all
-- bookings without one met in the same bucket of a hash, and Postgres divided it thousands of times:
-- a show of a million holds took from 8 to 22 s, and takes 2. Nor are payments of other shows read.
CREATE OR REPLACE VIEW analytics_holds AS
SELECT s.show, b.id AS booking, to_timestamp(b.created_ms / 1000.0) AS held_at, b.created_ms,
       b.status, b.quantity,
       least(c.confirmed_ms,
             CASE WHEN b.payment IS NOT NULL AND b.status IN ('CONFIRMED', 'CANCELLED')
                  THEN (SELECT p.settled_ms FROM payments p
                        WHERE p.id = b.payment AND p.status = 'SUCCEEDED'
                          AND (b.status = 'CONFIRMED' OR p.settled_ms < c.cancelled_ms))
                  END) AS confirmed_ms
FROM shows s
JOIN bookings b ON b.id BETWEEN show_first_id(s.show) AND show_last_id(s.show)
               AND b.expires_ms IS NOT NULL
LEFT JOIN (
  SELECT h.show, c.booking, min(c.at_ms) FILTER (WHERE c.op = 3) AS confirmed_ms,
         max(c.at_ms) FILTER (WHERE c.op = 4) AS cancelled_ms
  FROM shows h
  JOIN booking_changes c ON c.request BETWEEN show_first_id(h.show) AND show_last_id(h.show)
  WHERE c.op IN (3, 4)
  GROUP BY h.show, c.booking) c ON c.show = s.show AND c.booking = b.id;
