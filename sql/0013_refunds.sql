-- Refunds that the provider has taken upon itself and not finished: followed by the provider's name
-- for them until it says how they ended. And a look into an empty outbox that costs little.

-- Take rows that are due, for as long as the lease. As before (0005_payments.sql), with what the
-- provider calls a refund; in plpgsql, which keeps its plans: couriers look many times a second, and
-- nearly always there is nothing.
DROP FUNCTION claim_outbox(text, integer, bigint);
CREATE FUNCTION claim_outbox(p_courier text, p_rows integer, p_lease_ms bigint)
RETURNS TABLE (id bigint, kind outbox_kind, attempts integer, payment uuid, refund uuid,
               booking uuid, amount bigint, currency text, method text, reference text,
               refund_reference text, reply_to text, partition integer,
               payment_status payment_status, booking_status booking_status, age_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM outbox o WHERE o.next_at <= clock_timestamp()) THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH due AS (
    SELECT o.id FROM outbox o WHERE o.next_at <= clock_timestamp()
    ORDER BY o.next_at LIMIT p_rows FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE outbox o
    SET next_at = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0),
        attempts = o.attempts + 1, courier = p_courier
    FROM due WHERE o.id = due.id RETURNING o.*
  )
  SELECT t.id, t.kind, t.attempts, p.id, t.refund, p.booking, coalesce(r.amount, p.amount),
         p.currency, p.method, p.reference, coalesce(r.reference, ''), p.reply_to, s.partition,
         p.status, b.status, (extract(epoch FROM clock_timestamp()) * 1000)::bigint - p.created_ms
  FROM taken t JOIN payments p ON p.id = t.payment LEFT JOIN refunds r ON r.id = t.refund
  JOIN bookings b ON b.id = p.booking JOIN shows s ON s.show = b.show;
END $$;

-- The provider works on it: ask again after a pause, by the name that it gave. Only for who still
-- has the row.
CREATE FUNCTION postpone_refund(p_id bigint, p_attempts integer, p_reference text,
                                p_pause_ms bigint)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH mine AS (
    UPDATE outbox o
    SET next_at = clock_timestamp() + make_interval(secs => p_pause_ms / 1000.0)
    WHERE o.id = p_id AND o.attempts = p_attempts AND o.kind = 'refund'
    RETURNING o.refund
  )
  UPDATE refunds r SET reference = p_reference FROM mine
  WHERE r.id = mine.refund AND p_reference <> '' AND r.reference = ''
$$;

-- The provider has given back, or says that it never will; the latter also of what it had said to be
-- given back, for a bank may send it back.
CREATE OR REPLACE FUNCTION settle_refund(p_refund uuid, p_succeeded boolean, p_reference text,
                                         p_failure text)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH done AS (DELETE FROM outbox o WHERE o.refund = p_refund)
  UPDATE refunds r
  SET status = CASE WHEN p_succeeded THEN 'SUCCEEDED' ELSE 'FAILED' END::payment_status,
      reference = coalesce(nullif(p_reference, ''), r.reference), failure = p_failure,
      settled_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
  WHERE r.id = p_refund
    AND (r.status = 'PENDING' OR (r.status = 'SUCCEEDED' AND NOT p_succeeded))
$$;

-- Somebody heard that the provider has news of a refund: it is asked at once, also where it had said
-- that all was well. A refund without the provider's name has its row in any case.
CREATE FUNCTION hasten_refund(p_refund uuid)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE outbox SET next_at = clock_timestamp()
  WHERE refund = p_refund AND next_at > clock_timestamp();
  INSERT INTO outbox (kind, payment, refund)
  SELECT 'refund', r.payment, r.id FROM refunds r
  WHERE r.id = p_refund AND r.status = 'SUCCEEDED' AND r.reference <> ''
  ON CONFLICT DO NOTHING;
END $$;

REVOKE ALL ON FUNCTION claim_outbox, postpone_refund, hasten_refund FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_outbox, postpone_refund, hasten_refund TO usher_courier;
