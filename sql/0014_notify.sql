-- What others are told: webhooks, and mail. The rows are written by triggers, in the transaction that
-- does what they tell; the triggers are there but asleep until somebody wants to be told, so that a
-- booking of which nobody is told costs nothing. What is delivered, and when, is the courier's.

CREATE TABLE subscriptions (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind          text   NOT NULL CHECK (kind IN ('webhook', 'mail')),
  url           text   NOT NULL CHECK (octet_length(url) <= 1024),
  events        text[] NOT NULL,          -- "booking.confirmed", "booking.*", "*"
  secret        text   NOT NULL DEFAULT '',
  secret_before text   NOT NULL DEFAULT '', -- still signs while receivers change over
  created_at    timestamptz NOT NULL DEFAULT now(),
  disabled_at   timestamptz,
  disabled_why  text   NOT NULL DEFAULT '',
  CHECK (kind <> 'webhook' OR (url ~ '^https?://[^[:space:]]+$' AND secret LIKE 'whsec\_%')),
  CHECK (kind <> 'mail' OR url = '')
);
CREATE UNIQUE INDEX subscriptions_mail_once ON subscriptions (kind) WHERE kind = 'mail';

-- One event for one subscription. `event` is the webhook-id: the same for ever, whoever delivers.
CREATE TABLE deliveries (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subscription bigint NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
  event        text   NOT NULL,
  type         text   NOT NULL,
  at_ms        bigint NOT NULL,
  subject      uuid,                        -- the booking, payment or entry; as text it is data.id
  data         jsonb  NOT NULL,
  attempts     integer NOT NULL DEFAULT 0,
  next_at      timestamptz DEFAULT clock_timestamp(), -- NULL: delivered, or given up
  delivered_at timestamptz,
  courier      text   NOT NULL DEFAULT ''
) WITH (fillfactor = 70);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_of ON deliveries (subscription, id);

-- What became of each attempt.
CREATE TABLE delivery_attempts (
  delivery bigint  NOT NULL REFERENCES deliveries ON DELETE CASCADE,
  attempt  integer NOT NULL,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  status   integer NOT NULL,                -- HTTP's or SMTP's; 0: no answer
  took_ms  integer NOT NULL,
  why      text    NOT NULL CHECK (octet_length(why) <= 400),
  PRIMARY KEY (delivery, attempt)
);

CREATE TYPE happening AS (event text, type text, at_ms bigint, subject uuid, data jsonb);

CREATE FUNCTION new_event() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT 'evt_' || replace(gen_random_uuid()::text, '-', '')
$$;

CREATE FUNCTION wall_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

CREATE FUNCTION is_wanted(p_events text[], p_type text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT p_type = ANY (p_events) OR split_part(p_type, '.', 1) || '.*' = ANY (p_events)
      OR '*' = ANY (p_events)
$$;

-- If it fails, people are not told; but they go on booking.
CREATE FUNCTION tell(p_what happening[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO deliveries (subscription, event, type, at_ms, subject, data)
  SELECT s.id, h.event, h.type, h.at_ms, h.subject, h.data
  FROM unnest(p_what) h JOIN subscriptions s
    ON s.disabled_at IS NULL AND is_wanted(s.events, h.type);
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'nobody is told of % events: %', cardinality(p_what), SQLERRM;
END $$;

-- A booking, as it is told of.
CREATE FUNCTION told_booking(b bookings) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('show', s.slug, 'show_id', b.show, 'show_name', s.name,
    'starts_at', s.starts_at, 'ends_at', s.ends_at, 'user', b.user_id, 'quantity', b.quantity,
    'amount', b.amount, 'currency', s.currency, 'status', b.status,
    'expires_at', CASE WHEN b.status = 'HELD'
                       THEN to_timestamp(b.expires_ms / 1000.0) END)
  FROM shows s WHERE s.show = b.show
$$;

CREATE FUNCTION tell_new_bookings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell(array_agg((new_event(), 'booking.' || lower(b.status::text), wall_ms(), b.id,
                          told_booking(b))::happening))
  FROM came b;
  RETURN NULL;
END $$;

CREATE FUNCTION tell_changed_bookings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell(array_agg((new_event(),
                          CASE WHEN b.status = o.status THEN 'booking.changed'
                               ELSE 'booking.' || lower(b.status::text) END,
                          wall_ms(), b.id, told_booking(b))::happening))
  FROM went o JOIN came b USING (id)
  WHERE b.status <> o.status OR b.quantity <> o.quantity;
  RETURN NULL;
END $$;

CREATE FUNCTION told_payment(p payments) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('amount', p.amount, 'currency', p.currency, 'status', p.status,
                            'user', b.user_id, 'show', s.slug)
  FROM bookings b JOIN shows s USING (show) WHERE b.id = p.booking
$$;

CREATE FUNCTION tell_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell(ARRAY[(new_event(), 'payment.' || lower(NEW.status::text), wall_ms(), NEW.id,
                      told_payment(NEW))::happening]);
  RETURN NULL;
END $$;

CREATE FUNCTION tell_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell(ARRAY[(new_event(), CASE NEW.status WHEN 'SUCCEEDED' THEN 'payment.refunded'
                                                   ELSE 'payment.refund_failed' END,
                      wall_ms(), p.id, told_payment(p) || jsonb_build_object('refund', NEW.amount,
                      'reason', NEW.reason))::happening])
  FROM payments p WHERE p.id = NEW.payment;
  RETURN NULL;
END $$;

CREATE FUNCTION tell_offer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell(ARRAY[(new_event(), 'waitlist.offered', wall_ms(), NEW.id, jsonb_build_object(
                      'show', s.slug, 'show_id', s.show, 'show_name', s.name, 'tier', t.code,
                      'user', NEW.user_id, 'quantity', NEW.quantity, 'expires_at',
                      (SELECT to_timestamp(b.expires_ms / 1000.0) FROM bookings b
                       WHERE b.id = NEW.id)))::happening])
  FROM shows s JOIN tiers t USING (show) WHERE s.show = NEW.show AND t.tier = NEW.tier;
  RETURN NULL;
END $$;

CREATE FUNCTION tell_sale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell(ARRAY[(new_event(), 'sale.' || CASE NEW.state WHEN 'open' THEN 'opened'
                                                             ELSE NEW.state END,
                      wall_ms(), NULL, jsonb_build_object('show', NEW.slug, 'show_id', NEW.show,
                      'show_name', NEW.name))::happening]);
  RETURN NULL;
END $$;

CREATE FUNCTION tell_sold_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell(array_agg((new_event(), 'sale.sold_out', wall_ms(), NULL, jsonb_build_object(
                          'show', s.slug, 'show_id', s.show, 'show_name', s.name))::happening))
  FROM shows s
  WHERE s.show IN (SELECT o.show FROM went o JOIN came n USING (show, tier)
                   WHERE o.available > 0 AND n.available = 0)
    AND NOT EXISTS (SELECT FROM tiers t WHERE t.show = s.show AND t.available > 0);
  RETURN NULL;
END $$;

CREATE TRIGGER tell_new AFTER INSERT ON bookings REFERENCING NEW TABLE AS came
  FOR EACH STATEMENT EXECUTE FUNCTION tell_new_bookings();
CREATE TRIGGER tell_changed AFTER UPDATE ON bookings
  REFERENCING OLD TABLE AS went NEW TABLE AS came
  FOR EACH STATEMENT EXECUTE FUNCTION tell_changed_bookings();
CREATE TRIGGER tell_made AFTER INSERT ON payments
  FOR EACH ROW EXECUTE FUNCTION tell_payment();
CREATE TRIGGER tell_settled AFTER UPDATE OF status ON payments
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION tell_payment();
CREATE TRIGGER tell_refunded AFTER UPDATE OF status ON refunds
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION tell_refund();
CREATE TRIGGER tell_offered AFTER UPDATE OF status ON waitlist
  FOR EACH ROW WHEN (OLD.status = 'WAITING' AND NEW.status = 'OFFERED')
  EXECUTE FUNCTION tell_offer();
CREATE TRIGGER tell_offered_at_once AFTER INSERT ON waitlist
  FOR EACH ROW WHEN (NEW.status = 'OFFERED') EXECUTE FUNCTION tell_offer();
CREATE TRIGGER tell_sale AFTER UPDATE OF state ON shows
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION tell_sale();
CREATE TRIGGER tell_sold_out AFTER UPDATE ON tiers
  REFERENCING OLD TABLE AS went NEW TABLE AS came
  FOR EACH STATEMENT EXECUTE FUNCTION tell_sold_out();

-- Awake while somebody is subscribed. It waits for the batches under way, and they for it: a moment.
CREATE FUNCTION tell_or_not() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  verb text := CASE WHEN EXISTS (SELECT FROM subscriptions WHERE disabled_at IS NULL)
                    THEN 'ENABLE' ELSE 'DISABLE' END;
  found record;
BEGIN
  FOR found IN SELECT tgrelid::regclass AS of_table, tgname AS name FROM pg_trigger
               WHERE tgname LIKE 'tell\_%' AND NOT tgisinternal
                 AND tgenabled <> CASE verb WHEN 'ENABLE' THEN 'O' ELSE 'D' END::"char"
               ORDER BY 1, 2 LOOP
    EXECUTE format('ALTER TABLE %s %s TRIGGER %I', found.of_table, verb, found.name);
  END LOOP;
END $$;
SELECT tell_or_not();

CREATE FUNCTION subscribe(p_kind text, p_url text, p_events text[], p_secret text, p_actor text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  made bigint;
BEGIN
  INSERT INTO subscriptions (kind, url, events, secret) VALUES (p_kind, p_url, p_events, p_secret)
  RETURNING id INTO made;
  PERFORM tell_or_not();
  INSERT INTO audit (at_ms, actor, action, settings)
  VALUES (wall_ms(), p_actor, p_kind || '.add',
          jsonb_build_object('id', made, 'url', p_url, 'events', p_events));
  RETURN made;
END $$;

CREATE FUNCTION unsubscribe(p_id bigint, p_actor text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  was subscriptions;
BEGIN
  DELETE FROM subscriptions WHERE id = p_id RETURNING * INTO was;
  IF was.id IS NULL THEN
    RETURN false;
  END IF;
  PERFORM tell_or_not();
  INSERT INTO audit (at_ms, actor, action, settings)
  VALUES (wall_ms(), p_actor, was.kind || '.remove',
          jsonb_build_object('id', was.id, 'url', was.url));
  RETURN true;
END $$;

-- Another secret; the one before goes on signing beside it until the next change.
CREATE FUNCTION rotate_secret(p_id bigint, p_secret text, p_actor text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE subscriptions SET secret_before = secret, secret = p_secret
  WHERE id = p_id AND kind = 'webhook';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO audit (at_ms, actor, action, settings)
  VALUES (wall_ms(), p_actor, 'webhook.rotate', jsonb_build_object('id', p_id));
  RETURN true;
END $$;

-- Deliver again what was given up (or all of it), also where the receiver had said 410.
CREATE FUNCTION replay(p_id bigint, p_delivery bigint, p_actor text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  count bigint;
BEGIN
  UPDATE subscriptions SET disabled_at = NULL, disabled_why = '' WHERE id = p_id;
  IF NOT FOUND THEN
    RETURN -1;
  END IF;
  PERFORM tell_or_not();
  UPDATE deliveries SET next_at = clock_timestamp(), attempts = 0, delivered_at = NULL
  WHERE subscription = p_id AND next_at IS NULL
    AND CASE WHEN p_delivery IS NULL THEN delivered_at IS NULL ELSE id = p_delivery END;
  GET DIAGNOSTICS count = ROW_COUNT;
  DELETE FROM delivery_attempts a USING deliveries d
  WHERE d.id = a.delivery AND d.subscription = p_id AND d.attempts = 0 AND d.next_at IS NOT NULL;
  INSERT INTO audit (at_ms, actor, action, settings)
  VALUES (wall_ms(), p_actor, 'webhook.replay',
          jsonb_build_object('id', p_id, 'delivery', p_delivery, 'count', count));
  RETURN count;
END $$;

-- The courier's. Rows that are due, for as long as the lease.
CREATE FUNCTION claim_deliveries(p_courier text, p_kinds text[], p_rows integer, p_lease_ms bigint)
RETURNS TABLE (id bigint, attempts integer, kind text, url text, secret text, secret_before text,
               event text, type text, at_ms bigint, subject uuid, data text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  IF NOT EXISTS (SELECT FROM deliveries d WHERE d.next_at <= clock_timestamp()) THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH due AS (
    SELECT d.id FROM deliveries d JOIN subscriptions s ON s.id = d.subscription
    WHERE d.next_at <= clock_timestamp() AND s.kind = ANY (p_kinds)
    ORDER BY d.next_at LIMIT p_rows FOR UPDATE OF d SKIP LOCKED
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

-- What became of an attempt, by who still has the row. p_pause_ms: until the next one; NULL: none.
CREATE FUNCTION delivered(p_id bigint, p_attempts integer, p_status integer, p_took_ms integer,
                          p_why text, p_is_done boolean, p_pause_ms bigint, p_is_gone boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  of_subscription bigint;
BEGIN
  UPDATE deliveries
  SET next_at = CASE WHEN NOT p_is_done AND NOT p_is_gone
                     THEN clock_timestamp() + make_interval(secs => p_pause_ms / 1000.0) END,
      delivered_at = CASE WHEN p_is_done THEN clock_timestamp() END
  WHERE id = p_id AND attempts = p_attempts AND next_at IS NOT NULL
  RETURNING subscription INTO of_subscription;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  INSERT INTO delivery_attempts (delivery, attempt, status, took_ms, why)
  VALUES (p_id, p_attempts, p_status, p_took_ms, left(p_why, 100)) ON CONFLICT DO NOTHING;
  IF p_is_gone THEN                                     -- 410: never again
    UPDATE subscriptions SET disabled_at = clock_timestamp(), disabled_why = 'the receiver said 410'
    WHERE id = of_subscription AND disabled_at IS NULL;
    UPDATE deliveries SET next_at = NULL WHERE subscription = of_subscription;
  END IF;
END $$;

-- What was delivered or given up long ago is forgotten.
CREATE FUNCTION prune_deliveries(p_keep_ms bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  DELETE FROM deliveries WHERE id IN (
    SELECT d.id FROM deliveries d
    WHERE d.next_at IS NULL AND d.at_ms < wall_ms() - p_keep_ms LIMIT 10000)
$$;

REVOKE ALL ON FUNCTION claim_deliveries, delivered, prune_deliveries, subscribe, unsubscribe,
  rotate_secret, replay, tell, tell_or_not, new_event, wall_ms, is_wanted, told_booking,
  told_payment FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_deliveries, delivered, prune_deliveries TO usher_courier;
