-- Which trace what is written belongs to, for those who go on with it later: the courier's request
-- to the provider, a webhook. Whoever commits says so beforehand, in a setting of the transaction;
-- in nearly all batches there is nothing to say, and nothing is said. No table of the hot path has
-- a column for it.

ALTER TABLE outbox ADD COLUMN trace text NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN trace text NOT NULL DEFAULT '';

-- A traceparent for each id of a request, a booking or a payment. In plpgsql, which keeps its plan.
CREATE FUNCTION note_traces(p_id uuid[], p_trace text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('usher.traces', coalesce(jsonb_object_agg(n.id::text, n.trace)::text, ''), true)
  FROM unnest(p_id, p_trace) AS n (id, trace)
  WHERE n.trace ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$';
END $$;

CREATE FUNCTION noted_traces() RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN coalesce(nullif(current_setting('usher.traces', true), ''), '{}');
END $$;

-- As before (0014_notify.sql), with the trace.
CREATE OR REPLACE FUNCTION tell(p_what happening[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  noted jsonb;
BEGIN
  noted := noted_traces();
  INSERT INTO deliveries (subscription, event, type, at_ms, subject, data, trace)
  SELECT s.id, h.event, h.type, h.at_ms, h.subject, h.data,
         coalesce(noted ->> h.subject::text, '')
  FROM unnest(p_what) h JOIN subscriptions s
    ON s.disabled_at IS NULL AND is_wanted(s.events, h.type);
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'nobody is told of % events: %', cardinality(p_what), SQLERRM;
END $$;

-- What there is to do for a payment is of the trace of the request that asked for it: PAY's, or that
-- of what made money go back, whose id the refund has.
CREATE FUNCTION trace_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  noted jsonb := noted_traces();
BEGIN
  IF noted <> '{}' THEN
    UPDATE outbox o SET trace = noted ->> coalesce(c.refund, c.payment)::text
    FROM came c WHERE o.id = c.id AND noted ? coalesce(c.refund, c.payment)::text;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER trace_outbox AFTER INSERT ON outbox REFERENCING NEW TABLE AS came
  FOR EACH STATEMENT EXECUTE FUNCTION trace_outbox();

-- The courier's, beside what it has claimed. A claim may find what came after its statement had
-- begun, and so must these: they are VOLATILE, which lets them see it.
CREATE FUNCTION trace_of_outbox(p_id bigint) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT trace FROM outbox WHERE id = p_id
$$;
CREATE FUNCTION trace_of_delivery(p_id bigint) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT trace FROM deliveries WHERE id = p_id
$$;

REVOKE ALL ON FUNCTION note_traces, noted_traces, trace_outbox, trace_of_outbox,
  trace_of_delivery FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_traces TO usher_allocator, usher_courier;
GRANT EXECUTE ON FUNCTION trace_of_outbox, trace_of_delivery TO usher_courier;
