-- Payments: what is charged for a booking and given back, and the outbox from which couriers carry
-- both to the provider.
--
-- A booking has one payment at most, ever: one that fails ends its booking. So `booking` is unique,
-- and there is no second charge to be made. The payment's id is the id of the request that asked for
-- it, and the key under which the provider knows it.

CREATE TYPE payment_status AS ENUM ('PENDING', 'SUCCEEDED', 'FAILED');

-- Late success of a payment that is honoured. Nothing else brings a booking back.
INSERT INTO legal_moves VALUES ('FAILED', 'CONFIRMED');

ALTER TABLE shows ADD COLUMN payment text NOT NULL DEFAULT 'optional'
  CHECK (payment IN ('optional', 'required'));

-- The rebuild reads it beside the booking: a join for each of a million rows would be slow.
ALTER TABLE bookings ADD COLUMN payment uuid;

CREATE TABLE payments (
  id          uuid    PRIMARY KEY,
  booking     uuid    NOT NULL UNIQUE REFERENCES bookings,
  amount      bigint  NOT NULL CHECK (amount >= 0),        -- minor units
  currency    text    NOT NULL,
  status      payment_status NOT NULL,
  reply_to    text    NOT NULL,                            -- the gateway that asked
  method      text    NOT NULL,                            -- the provider's token of what pays, or ''
  reference   text    NOT NULL DEFAULT '',                 -- the provider's name for it
  reason      text    NOT NULL DEFAULT '',                 -- why it failed
  given_up    boolean NOT NULL DEFAULT false,              -- FAILED because nobody could say
  created_ms  bigint  NOT NULL,
  settled_ms  bigint,
  CHECK ((status = 'PENDING') = (settled_ms IS NULL)),
  CHECK (NOT given_up OR status = 'FAILED')
);
CREATE INDEX payments_pending ON payments (created_ms) WHERE status = 'PENDING';

-- Money given back. The id is that of the request that caused it.
CREATE TABLE refunds (
  id          uuid    PRIMARY KEY,
  payment     uuid    NOT NULL REFERENCES payments,
  amount      bigint  NOT NULL CHECK (amount > 0),
  reason      text    NOT NULL CHECK (reason IN ('cancelled', 'late')),
  status      payment_status NOT NULL DEFAULT 'PENDING',
  reference   text    NOT NULL DEFAULT '',
  failure     text    NOT NULL DEFAULT '',                 -- why the provider refused it
  created_ms  bigint  NOT NULL,
  settled_ms  bigint
);
CREATE INDEX refunds_by_payment ON refunds (payment);

-- What couriers have to do. `next_at` is a lease too: whoever takes a row moves it into the future,
-- and if that courier dies the row comes back by itself.
CREATE TYPE outbox_kind AS ENUM ('charge', 'ask', 'refund');
COMMENT ON TYPE outbox_kind IS
  'charge: make the payment; ask: what became of it, without making it; refund: give back.';
CREATE TABLE outbox (
  id          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind        outbox_kind NOT NULL,
  payment     uuid    NOT NULL REFERENCES payments,
  refund      uuid    REFERENCES refunds,
  attempts    integer NOT NULL DEFAULT 0,
  next_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  courier     text    NOT NULL DEFAULT '',                 -- who took it last, for people
  CHECK ((kind = 'refund') = (refund IS NOT NULL))
) WITH (fillfactor = 50);
CREATE INDEX outbox_due ON outbox (next_at);
CREATE UNIQUE INDEX outbox_one_charge ON outbox (payment) WHERE kind <> 'refund';
CREATE UNIQUE INDEX outbox_one_refund ON outbox (refund) WHERE kind = 'refund';

-- A payment is settled once; only one that was thought to have failed can still succeed.
CREATE FUNCTION payment_move_is_legal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT (OLD.status = 'PENDING' OR (OLD.status = 'FAILED' AND NEW.status = 'SUCCEEDED')) THEN
    RAISE EXCEPTION 'a payment may not go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_moves';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER payment_moves BEFORE UPDATE OF status ON payments
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION payment_move_is_legal();

-- What was paid and is not for a booking that lives goes back: the difference, whatever caused it.
CREATE FUNCTION balance_payment(p_payment uuid, p_request uuid, p_now_ms bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  over bigint;
  lives boolean;
  ended booking_status;
BEGIN
  SELECT b.status IN ('HELD', 'PENDING', 'CONFIRMED'), b.status,
         p.amount - coalesce((SELECT sum(r.amount) FROM refunds r WHERE r.payment = p.id), 0)
         - CASE WHEN b.status IN ('HELD', 'PENDING', 'CONFIRMED') THEN b.amount ELSE 0 END
  INTO lives, ended, over
  FROM payments p JOIN bookings b ON b.id = p.booking
  WHERE p.id = p_payment AND p.status = 'SUCCEEDED';
  IF NOT FOUND OR over = 0 THEN
    RETURN;
  END IF;
  -- Less than 0 cannot be: a paid booking never grows. The CHECK of refunds says so.
  INSERT INTO refunds (id, payment, amount, reason, created_ms)
  VALUES (p_request, p_payment, over,
          CASE WHEN lives OR ended = 'CANCELLED' THEN 'cancelled' ELSE 'late' END, p_now_ms);
  INSERT INTO outbox (kind, payment, refund) VALUES ('refund', p_payment, p_request);
END $$;

-- The companion of commit_batch for payments.
--
--   p_*  new payments, in the order of their requests
--   s_*  results: 1 succeeded, 2 failed, 3 given up (nobody could say in time)
--   r_*  changes to bookings that have a payment: what is over is given back
CREATE FUNCTION commit_payments(
  p_partition integer, p_epoch bigint, p_version bigint, p_now_ms bigint,
  p_id uuid[], p_booking uuid[], p_amount bigint[], p_reply_to text[], p_method text[],
  s_request uuid[], s_payment uuid[], s_booking uuid[], s_result integer[], s_reference text[],
  s_reason text[],
  r_request uuid[], r_payment uuid[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
DECLARE
  affected bigint;
  fits boolean;
  settled record;
  change record;
BEGIN
  PERFORM FROM partitions
  WHERE partition = p_partition AND epoch = p_epoch AND version = p_version;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partition % is not at epoch % and version %',
      p_partition, p_epoch, p_version USING ERRCODE = 'US001';
  END IF;

  IF cardinality(p_id) > 0 THEN
    INSERT INTO payments (id, booking, amount, currency, status, reply_to, method, created_ms,
                          settled_ms)
    SELECT n.id, n.booking, n.amount, s.currency,
           CASE WHEN n.amount = 0 THEN 'SUCCEEDED' ELSE 'PENDING' END::payment_status,
           n.reply_to, n.method, p_now_ms, CASE WHEN n.amount = 0 THEN p_now_ms END
    FROM unnest(p_id, p_booking, p_amount, p_reply_to, p_method)
         AS n (id, booking, amount, reply_to, method)
    JOIN bookings b ON b.id = n.booking JOIN shows s ON s.show = b.show;
    GET DIAGNOSTICS affected = ROW_COUNT;
    fits := batch_expects('payments', affected, cardinality(p_id));
    UPDATE bookings b SET payment = n.id
    FROM unnest(p_id, p_booking) AS n (id, booking)
    WHERE b.id = n.booking AND b.payment IS NULL;
    GET DIAGNOSTICS affected = ROW_COUNT;
    fits := batch_expects('bookings that are paid', affected, cardinality(p_id));
    INSERT INTO outbox (kind, payment)
    SELECT 'charge', n.id FROM unnest(p_id, p_amount) AS n (id, amount) WHERE n.amount > 0;
  END IF;

  FOR settled IN
    SELECT * FROM unnest(s_request, s_payment, s_booking, s_result, s_reference, s_reason)
                  AS s (request, payment, booking, result, reference, reason)
  LOOP
    -- What is known twice is settled once: money that was taken stays taken.
    UPDATE payments p
    SET status = CASE WHEN settled.result = 1 OR p.status = 'SUCCEEDED' THEN 'SUCCEEDED'
                      ELSE 'FAILED' END::payment_status,
        reference = coalesce(nullif(settled.reference, ''), p.reference),
        reason = CASE WHEN settled.result = 1 OR p.status = 'SUCCEEDED' THEN ''
                      ELSE settled.reason END,
        given_up = settled.result = 3 AND p.status <> 'SUCCEEDED',
        settled_ms = CASE WHEN p.status = 'SUCCEEDED' THEN p.settled_ms ELSE p_now_ms END
    WHERE p.id = settled.payment AND p.booking = settled.booking;
    GET DIAGNOSTICS affected = ROW_COUNT;
    fits := batch_expects('payments that are settled', affected, 1);
    -- Given up is not known: somebody goes on asking. What is known needs no courier any more.
    IF settled.result = 3 THEN
      UPDATE outbox SET kind = 'ask' WHERE payment = settled.payment AND kind = 'charge';
    ELSE
      DELETE FROM outbox WHERE payment = settled.payment AND kind <> 'refund';
    END IF;
    PERFORM balance_payment(settled.payment, settled.request, p_now_ms);
    -- Invariant 6 for a booking that came back.
    IF settled.result = 1 AND EXISTS (
      SELECT FROM bookings o JOIN shows s ON s.show = o.show AND s.max_per_user IS NOT NULL
      WHERE o.id = settled.booking AND s.max_per_user < (
        SELECT sum(b.quantity) FROM bookings b
        WHERE hashtextextended(b.user_id, 0) = hashtextextended(o.user_id, 0)
          AND b.user_id = o.user_id AND b.show = o.show
          AND b.status IN ('HELD', 'PENDING', 'CONFIRMED'))) THEN
      RAISE EXCEPTION 'a user would have more places than the show allows'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'max_per_user';
    END IF;
  END LOOP;

  FOR change IN SELECT * FROM unnest(r_request, r_payment) AS r (request, payment) LOOP
    PERFORM balance_payment(change.payment, change.request, p_now_ms);
  END LOOP;
END $$;

-- A booking that says it is paid and is not, or waits for a payment that is settled: never. What
-- counts is how the transaction leaves both, for the booking moves first and its payment after it.
CREATE FUNCTION booking_is_paid_as_it_says() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  booking booking_status;
  payment payment_status;
BEGIN
  SELECT b.status, p.status INTO booking, payment
  FROM bookings b LEFT JOIN payments p ON p.booking = b.id WHERE b.id = NEW.id;
  IF (booking = 'PENDING' AND payment IS DISTINCT FROM 'PENDING')
     OR (booking = 'FAILED' AND (payment IS NULL OR payment = 'PENDING'))
     OR (booking = 'CONFIRMED' AND payment <> 'SUCCEEDED') THEN
    RAISE EXCEPTION 'booking % is % and its payment %', NEW.id, booking, payment
      USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_is_paid';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER booking_is_paid AFTER UPDATE OF status ON bookings
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status
        AND (NEW.payment IS NOT NULL OR NEW.status IN ('PENDING', 'FAILED')))
  EXECUTE FUNCTION booking_is_paid_as_it_says();

-- What a courier may do. Times are the database's: couriers' clocks need not agree.

-- Take rows that are due, for as long as the lease.
CREATE FUNCTION claim_outbox(p_courier text, p_rows integer, p_lease_ms bigint)
RETURNS TABLE (id bigint, kind outbox_kind, attempts integer, payment uuid, refund uuid,
               booking uuid, amount bigint, currency text, method text, reference text,
               reply_to text, partition integer, payment_status payment_status,
               booking_status booking_status, age_ms bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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
         p.currency, p.method, p.reference, p.reply_to, s.partition, p.status, b.status,
         (extract(epoch FROM clock_timestamp()) * 1000)::bigint - p.created_ms
  FROM taken t JOIN payments p ON p.id = t.payment LEFT JOIN refunds r ON r.id = t.refund
  JOIN bookings b ON b.id = p.booking JOIN shows s ON s.show = b.show
$$;

-- Not done yet: again after a pause. Only for who still has the row. The provider's name for a
-- payment that it works on is kept, so that it can be asked for.
CREATE FUNCTION postpone_outbox(p_id bigint, p_attempts integer, p_kind outbox_kind,
                                p_reference text, p_pause_ms bigint)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH mine AS (
    UPDATE outbox o
    SET next_at = clock_timestamp() + make_interval(secs => p_pause_ms / 1000.0), kind = p_kind
    WHERE o.id = p_id AND o.attempts = p_attempts
    RETURNING o.payment
  )
  UPDATE payments p SET reference = p_reference FROM mine
  WHERE p.id = mine.payment AND p_reference <> '' AND p.reference = ''
$$;

-- Nobody will ask any more for a payment that was given up.
CREATE FUNCTION drop_outbox(p_id bigint, p_attempts integer)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  DELETE FROM outbox o USING payments p
  WHERE o.id = p_id AND o.attempts = p_attempts AND o.kind = 'ask' AND p.id = o.payment
    AND p.status <> 'PENDING'
$$;

-- The provider has given back, or says that it never will.
CREATE FUNCTION settle_refund(p_refund uuid, p_succeeded boolean, p_reference text, p_failure text)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH done AS (DELETE FROM outbox o WHERE o.refund = p_refund)
  UPDATE refunds r
  SET status = CASE WHEN p_succeeded THEN 'SUCCEEDED' ELSE 'FAILED' END::payment_status,
      reference = p_reference, failure = p_failure,
      settled_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
  WHERE r.id = p_refund AND r.status = 'PENDING'
$$;

-- Payments that nobody could settle for too long are asked about and not tried again; one that has
-- lost its row gets one. Returns how many.
CREATE FUNCTION recover_payments(p_stuck_ms bigint)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH stuck AS (
    SELECT p.id FROM payments p WHERE p.status = 'PENDING'
      AND p.created_ms < (extract(epoch FROM clock_timestamp()) * 1000)::bigint - p_stuck_ms
    ORDER BY p.created_ms LIMIT 1000
  ), asked AS (
    INSERT INTO outbox AS o (kind, payment) SELECT 'ask', id FROM stuck
    ON CONFLICT (payment) WHERE kind <> 'refund' DO UPDATE SET kind = 'ask'
    WHERE o.kind = 'charge'
    RETURNING 1
  )
  SELECT count(*) FROM asked
$$;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'usher_courier') THEN
    CREATE ROLE usher_courier NOLOGIN;
  END IF;
END $$;

REVOKE ALL ON FUNCTION payment_move_is_legal, balance_payment, commit_payments,
  booking_is_paid_as_it_says, claim_outbox, postpone_outbox, drop_outbox, settle_refund,
  recover_payments FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO usher_courier;
GRANT SELECT ON payments, refunds TO usher_allocator, usher_gateway;
GRANT EXECUTE ON FUNCTION commit_payments TO usher_allocator;
GRANT EXECUTE ON FUNCTION claim_outbox, postpone_outbox, drop_outbox, settle_refund,
  recover_payments TO usher_courier;
