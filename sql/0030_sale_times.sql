-- A sale is told of when it opens and closes, whoever did it: an operator, or the time that had been
-- set. What the time does is no row that a trigger could see; couriers look for it, as often as for
-- what else is to be told.

-- As a stream says it (live_sale_word in gateway/live_state.c), but for what is sold out.
CREATE FUNCTION sale_word(s shows, p_at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN s.state = 'closed' OR p_at >= s.sales_close_at THEN 'closed'
              WHEN s.state = 'draft' OR p_at < s.sales_open_at THEN 'not_opened'
              WHEN s.state = 'open' THEN 'opened'
              ELSE s.state END
$$;

CREATE FUNCTION told_sale(s shows, p_word text, p_at_ms bigint) RETURNS happening
LANGUAGE sql VOLATILE AS $$
  SELECT (new_event(), 'sale.' || p_word, p_at_ms, NULL, jsonb_build_object(
          'show', s.slug, 'show_id', s.show, 'show_name', s.name))::happening
$$;

-- What somebody did. A show that is made has not been open before.
CREATE OR REPLACE FUNCTION tell_sale() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  at timestamptz := clock_timestamp();
  word text := sale_word(NEW, at);
BEGIN
  IF (TG_OP = 'INSERT' AND word = 'opened')
     OR (TG_OP = 'UPDATE' AND word NOT IN ('not_opened', sale_word(OLD, at))) THEN
    PERFORM tell(ARRAY[told_sale(NEW, word, wall_ms())]);
  END IF;
  RETURN NULL;
END $$;

DROP TRIGGER tell_sale ON shows;
CREATE TRIGGER tell_sale AFTER INSERT OR UPDATE OF state, sales_open_at, sales_close_at ON shows
  FOR EACH ROW EXECUTE FUNCTION tell_sale();
SELECT tell_or_not();

-- What the time did: up to when that is told.
CREATE TABLE sale_clock (
  told_upto timestamptz NOT NULL
);
INSERT INTO sale_clock VALUES (clock_timestamp());

CREATE INDEX shows_open_at ON shows (sales_open_at) WHERE sales_open_at IS NOT NULL;
CREATE INDEX shows_close_at ON shows (sales_close_at) WHERE sales_close_at IS NOT NULL;

-- Once, in the transaction that says so; by whichever courier comes first. A second late: who
-- changes a show at that very moment has committed by then. What an operator had closed or paused
-- is not opened by the time.
CREATE FUNCTION tell_due_sales() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  upto timestamptz := clock_timestamp() - interval '1 second';
  behind timestamptz;
  due happening[];
BEGIN
  SELECT told_upto INTO behind FROM sale_clock WHERE told_upto < upto FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  SELECT array_agg(told_sale(d.show, d.word, (extract(epoch FROM d.at) * 1000)::bigint)
                   ORDER BY d.at)
  INTO due FROM (
    SELECT s AS show, 'opened' AS word, s.sales_open_at AS at FROM shows s
    WHERE s.sales_open_at > behind AND s.sales_open_at <= upto AND s.state = 'open'
    UNION ALL
    SELECT s, 'closed', s.sales_close_at FROM shows s
    WHERE s.sales_close_at > behind AND s.sales_close_at <= upto AND s.state IN ('open', 'paused')
  ) d;
  IF due IS NOT NULL THEN
    PERFORM tell(due);
  END IF;
  IF due IS NOT NULL OR upto - behind > interval '1 minute' THEN
    UPDATE sale_clock SET told_upto = upto;
  END IF;
END $$;

-- As in 0025_operators_words.sql, with what else there is to tell.
CREATE OR REPLACE FUNCTION claim_deliveries(
  p_courier text, p_kinds text[], p_rows integer, p_lease_ms bigint)
RETURNS TABLE (id bigint, attempts integer, kind text, url text, secret text, secret_before text,
               event text, type text, at_ms bigint, subject uuid, data text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  PERFORM do_delivery_chore(1000);
  PERFORM tell_due_sales();
  RETURN QUERY
  WITH due AS (
    SELECT w.id FROM subscriptions s CROSS JOIN LATERAL (
      SELECT d.id, d.next_at FROM deliveries d
      WHERE d.subscription = s.id AND d.next_at <= clock_timestamp()
      ORDER BY d.next_at LIMIT p_rows FOR UPDATE OF d SKIP LOCKED) w
    WHERE s.kind = ANY (p_kinds)
    ORDER BY w.next_at LIMIT p_rows
  ), taken AS (
    UPDATE deliveries d
    SET next_at = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0),
        attempts = d.attempts + 1, courier = p_courier
    FROM due WHERE d.id = due.id RETURNING d.*
  )
  SELECT t.id, t.attempts, s.kind, s.url, s.secret, s.secret_before, t.event, t.type, t.at_ms,
         t.subject, t.data::text
  FROM taken t JOIN subscriptions s ON s.id = t.subscription;
END $$;

REVOKE ALL ON FUNCTION sale_word, told_sale, tell_due_sales FROM PUBLIC;
