-- Payments by providers, so that every payment has one order or one refund (law 8).
--
-- Locks are taken in this order: an order, its product, its payments. Whoever locks a product first, such as
-- expire_orders, passes over orders that are locked; and a statement that changes orders locks the product in
-- the trigger orders_count_changes, after the orders. So nobody waits in a circle.
SET LOCAL lock_timeout = '2s';

CREATE TABLE payments (
  id          UUID PRIMARY KEY,
  order_id    BIGINT,
  late_for    BIGINT,
  product_id  VARCHAR(255),
  sale_id     VARCHAR(255),
  user_id     VARCHAR(255),
  provider    VARCHAR(63) NOT NULL,
  session_ref TEXT,
  url         TEXT,
  payment_ref TEXT,
  refund_ref  TEXT,
  amount      BIGINT      NOT NULL,
  currency    VARCHAR(3)  NOT NULL,
  state       VARCHAR(16) NOT NULL,
  expires_at  TIMESTAMPTZ,
  created_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  changed_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  paid_at     TIMESTAMPTZ,
  next_try    TIMESTAMPTZ,
  attempts    INTEGER     NOT NULL DEFAULT 0,
  last_error  TEXT,
  CONSTRAINT payments_state_known
    CHECK (state IN ('OPENING', 'OPEN', 'ENDING', 'ENDED', 'PAID', 'REFUND_DUE', 'REFUNDED')),
  CONSTRAINT payments_paid_have_an_order CHECK (state <> 'PAID' OR order_id IS NOT NULL),
  CONSTRAINT payments_chores_have_a_time
    CHECK ((state IN ('ENDING', 'REFUND_DUE')) = (next_try IS NOT NULL)),
  CONSTRAINT payments_of_one_session UNIQUE (provider, session_ref)
);

COMMENT ON COLUMN payments.order_id IS 'the order that is paid with it; null: money that no order is known for';
COMMENT ON COLUMN payments.late_for IS 'the expired order that it was meant for, where order_id was made in its place';
COMMENT ON COLUMN payments.amount IS 'minor units of the currency: what is asked for, or what came once that is known to differ';
COMMENT ON COLUMN payments.state IS 'OPENING: the provider is being asked for a session; OPEN: it has one; ENDING: it is to be told that nobody may pay any more; ENDED: nobody paid; PAID: the money is its order''s; REFUND_DUE; REFUNDED';
COMMENT ON COLUMN payments.expires_at IS 'as of its order, when the session was asked for';
COMMENT ON COLUMN payments.paid_at IS 'when its money became its order''s; null: it never was';
COMMENT ON COLUMN payments.next_try IS 'when the provider is asked (again) to end the session or to refund';

CREATE UNIQUE INDEX payments_one_open ON payments (order_id) WHERE state IN ('OPENING', 'OPEN');
CREATE UNIQUE INDEX payments_one_paid ON payments (order_id) WHERE state = 'PAID';
CREATE INDEX payments_by_order ON payments (order_id);
CREATE INDEX payments_late ON payments (late_for) WHERE late_for IS NOT NULL;
CREATE INDEX payments_by_ref ON payments (provider, payment_ref) WHERE payment_ref IS NOT NULL;
CREATE INDEX payments_by_sale ON payments (sale_id, state) INCLUDE (amount, changed_at);
CREATE INDEX payments_expiring ON payments (expires_at) WHERE state IN ('OPENING', 'OPEN');
CREATE INDEX payments_chores ON payments (provider, next_try) WHERE state IN ('ENDING', 'REFUND_DUE');

-- What providers told, so that a repeated event changes nothing. Kept for 40 days: Stripe repeats for three,
-- and lets events be sent again by hand for 30.
CREATE TABLE payment_events (
  provider   VARCHAR(63) NOT NULL,
  event_id   TEXT        NOT NULL,
  payment_id UUID,
  kind       VARCHAR(16) NOT NULL,
  at         TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (provider, event_id)
);

CREATE INDEX payment_events_by_time ON payment_events (at);

-- An order that no longer waits can no longer be paid, and the payment of one that is cancelled is given back,
-- whoever changes it.
CREATE FUNCTION orders_end_payments() RETURNS trigger LANGUAGE plpgsql
SET enable_nestloop = off SET enable_seqscan = off AS $$
DECLARE
  v_ended     bigint[];
  v_cancelled bigint[];
BEGIN
  SELECT array_agg(n.id::bigint), array_agg(n.id::bigint) FILTER (WHERE n.status = 'CANCELLED')
    INTO v_ended, v_cancelled
    FROM old_orders o JOIN new_orders n USING (id)
    WHERE o.status IS DISTINCT FROM n.status AND n.status IN ('COMPLETED', 'CANCELLED');
  IF v_ended IS NULL THEN
    RETURN NULL;
  END IF;
  UPDATE payments
    SET state = 'ENDING', next_try = clock_timestamp(), attempts = 0, changed_at = clock_timestamp()
    WHERE order_id = ANY (v_ended) AND state IN ('OPENING', 'OPEN');
  UPDATE payments
    SET state = 'REFUND_DUE', next_try = clock_timestamp(), attempts = 0, changed_at = clock_timestamp()
    WHERE order_id = ANY (v_cancelled) AND state = 'PAID';
  RETURN NULL;
END $$;

-- By its name after orders_count_changes, which locks the products.
CREATE TRIGGER orders_end_payments AFTER UPDATE ON orders
  REFERENCING OLD TABLE AS old_orders NEW TABLE AS new_orders
  FOR EACH STATEMENT EXECUTE FUNCTION orders_end_payments();

-- The payment that a shopper makes for the order of a buy. One order has one session at a time, so that whoever
-- asks again pays the same one; `p_id` is the id of a new one. `result`:
--   open         it has a session, at `url`
--   opening      the provider is to be asked for a session (again: whoever asked last may never have heard)
--   unknown      the shopper has no such order
--   paid         it is completed
--   cancelled    it is cancelled
--   over         its window is over
--   no_provider  the sale takes no payments
CREATE FUNCTION open_checkout(
  p_job uuid, p_user text, p_id uuid,
  OUT result text, OUT order_id bigint, OUT payment_id uuid, OUT provider text, OUT session_ref text,
  OUT url text, OUT amount bigint, OUT currency text, OUT expires_ms bigint, OUT sale text, OUT product text
) LANGUAGE plpgsql
SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_order orders%ROWTYPE;
  v_state text;
BEGIN
  SELECT * INTO v_order FROM orders o WHERE o.job_id = p_job AND o.user_id = p_user FOR UPDATE;
  IF NOT FOUND THEN
    result := 'unknown';
    RETURN;
  END IF;
  order_id := v_order.id;
  sale := v_order.sale_id;
  product := v_order.product_id;
  expires_ms := floor(extract(epoch FROM v_order.expires_at) * 1000);
  result := CASE
    WHEN v_order.status = 'COMPLETED' THEN 'paid'
    WHEN v_order.status = 'CANCELLED' THEN 'cancelled'
    WHEN v_order.expires_at <= clock_timestamp() THEN 'over'
  END;
  IF result IS NOT NULL THEN
    RETURN;
  END IF;
  SELECT p.id, p.state, p.provider, p.session_ref, p.url, p.amount, p.currency
    INTO payment_id, v_state, provider, session_ref, url, amount, currency
    FROM payments p WHERE p.order_id = v_order.id AND p.state IN ('OPENING', 'OPEN');
  IF FOUND THEN
    result := lower(v_state);
    RETURN;
  END IF;
  SELECT p.pay_provider, p.currency INTO provider, currency
    FROM products p
    WHERE p.id = v_order.product_id AND p.sale_id = v_order.sale_id
      AND p.incarnation = v_order.incarnation;
  IF provider IS NULL OR currency IS NULL THEN
    result := 'no_provider';
    RETURN;
  END IF;
  payment_id := p_id;
  amount := v_order.price;
  result := 'opening';
  INSERT INTO payments (id, order_id, product_id, sale_id, user_id, provider, amount, currency, state,
                        expires_at)
    VALUES (p_id, v_order.id, v_order.product_id, v_order.sale_id, v_order.user_id, provider, amount,
            currency, 'OPENING', v_order.expires_at);
END $$;

-- Notes the session that the provider opened. False: it is not to be paid, since its order ended meanwhile or
-- has another session; then it is going to be ended.
CREATE FUNCTION session_opened(p_id uuid, p_session_ref text, p_url text) RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
  v_payment payments%ROWTYPE;
BEGIN
  SELECT * INTO v_payment FROM payments WHERE id = p_id FOR UPDATE;
  CASE v_payment.state
    WHEN 'OPENING' THEN
      UPDATE payments
        SET state = 'OPEN', session_ref = p_session_ref, url = p_url, changed_at = clock_timestamp()
        WHERE id = p_id;
      RETURN true;
    WHEN 'OPEN' THEN
      RETURN v_payment.session_ref = p_session_ref;
    WHEN 'ENDING', 'ENDED' THEN
      UPDATE payments
        SET state = 'ENDING', session_ref = COALESCE(session_ref, p_session_ref),
            url = COALESCE(url, p_url), next_try = clock_timestamp(), attempts = 0,
            changed_at = clock_timestamp()
        WHERE id = p_id;
      RETURN false;
    ELSE
      RETURN false;
  END CASE;
END $$;

-- Notes that the provider opened no session: the shopper may ask anew.
CREATE FUNCTION session_failed(p_id uuid, p_error text) RETURNS void LANGUAGE sql
SET enable_seqscan = off AS $$
  UPDATE payments
    SET state = 'ENDED', next_try = NULL, last_error = left(p_error, 500), changed_at = clock_timestamp()
    WHERE id = p_id AND session_ref IS NULL AND state IN ('OPENING', 'ENDING')
$$;

-- Makes a new order in the place of one that expired, for a payment that came too late, and answers its number;
-- null where it cannot be: the product is no longer offered by the same sale, no unit is left, the shopper
-- has as many as one may have, or a rule of the shop's own refuses it. The caller has locked `p_old`.
CREATE FUNCTION order_again(p_old orders, p_payment uuid) RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
  v_product    products%ROWTYPE;
  v_order      bigint;
  v_constraint text;
BEGIN
  SELECT * INTO v_product FROM products
    WHERE id = p_old.product_id AND sale_id = p_old.sale_id AND incarnation = p_old.incarnation
    FOR UPDATE;
  IF NOT FOUND OR NOT v_product.listed OR v_product.stock_quantity < 1
     OR v_product.late_policy IS NOT DISTINCT FROM 'refund'
     OR EXISTS (SELECT FROM payments WHERE late_for = p_old.id)
     OR v_product.max_per_user <= (
          SELECT count(*) FROM orders
            WHERE sale_id = p_old.sale_id AND user_id = p_old.user_id
              AND incarnation = p_old.incarnation AND product_id = p_old.product_id
              AND status IS DISTINCT FROM 'CANCELLED') THEN
    RETURN NULL;
  END IF;
  FOR attempt IN 1..2 LOOP
    BEGIN
      UPDATE products SET stock_quantity = stock_quantity - 1, sold = sold + 1 WHERE id = p_old.product_id;
      -- The unit was sold, but not by a batch whose jobs could still stand in the lane.
      UPDATE products SET settled_version = v_product.settled_version WHERE id = p_old.product_id;
      -- Completed by a change, so that Redis and the shopper are told of it as of any other.
      INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price,
                          incarnation, expires_at)
        VALUES (p_old.user_id, p_old.product_id, 'PENDING', p_old.sale_id, p_payment,
                'late:' || p_payment, p_old.price, p_old.incarnation, p_old.expires_at)
        RETURNING id INTO v_order;
      UPDATE orders SET status = 'COMPLETED' WHERE id = v_order;
      RETURN v_order;
    EXCEPTION
      WHEN unique_violation THEN
        GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
        IF v_constraint <> 'orders_pkey' THEN
          RETURN NULL;
        END IF;
        PERFORM raise_order_ids(0);
      WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
        RETURN NULL;
    END;
  END LOOP;
  RETURN NULL;
END $$;

-- Carries out what a provider told of a payment, once: `p_event` is the id of what it sent, null for what it
-- answered when asked. The payment is `p_payment` or, without such an id, the one of the session. Amounts are
-- in minor units. Kinds:
--   paid      the money came. It is the order's, or is given back
--   declined  a payment that took its time failed: its order is cancelled
--   ended     the session can no longer be paid
--   refunded  the money was given back, `p_amount` of it
-- Results:
--   repeat      nothing new (also: part of the money was given back, which is the shop's business)
--   unknown     no such payment
--   completed   the order is paid
--   reacquired  the order had expired, and a new one was made in its place
--   refund_due  the money is to be given back
--   ended, declined, refunded
CREATE FUNCTION apply_payment(
  p_provider text, p_event text, p_kind text, p_payment uuid, p_session_ref text, p_payment_ref text,
  p_amount bigint, p_currency text, OUT result text
) LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
  v_payment  payments%ROWTYPE;
  v_order    orders%ROWTYPE;
  v_id       uuid;
  v_order_id bigint;
  v_late     bigint;
BEGIN
  p_currency := upper(p_currency);
  IF p_kind NOT IN ('paid', 'declined', 'ended', 'refunded') THEN
    RAISE EXCEPTION 'payments have no event of kind %', p_kind USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- First of all: whoever brings the same event waits here, and holds nothing.
  IF p_event IS NOT NULL THEN
    INSERT INTO payment_events (provider, event_id, payment_id, kind)
      VALUES (p_provider, p_event, p_payment, p_kind) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      result := 'repeat';
      RETURN;
    END IF;
  END IF;

  -- A refund is of the money that it names: one payment may have been made twice.
  IF p_kind = 'refunded' THEN
    SELECT id INTO v_id FROM payments
      WHERE provider = p_provider AND payment_ref = p_payment_ref
      ORDER BY id = p_payment DESC NULLS LAST LIMIT 1;
  END IF;
  IF v_id IS NULL THEN
    SELECT id INTO v_id FROM payments WHERE id = p_payment AND provider = p_provider;
  END IF;
  IF v_id IS NULL AND p_payment IS NULL THEN
    SELECT id INTO v_id FROM payments WHERE provider = p_provider AND session_ref = p_session_ref;
  END IF;

  -- The order first, then the payment; another order may be the payment's by then.
  WHILE v_id IS NOT NULL LOOP
    SELECT order_id INTO v_order_id FROM payments WHERE id = v_id;
    SELECT * INTO v_order FROM orders WHERE id = v_order_id FOR UPDATE;
    SELECT * INTO STRICT v_payment FROM payments WHERE id = v_id FOR UPDATE;
    EXIT WHEN v_payment.order_id IS NOT DISTINCT FROM v_order_id;
  END LOOP;

  -- Money that the ledger has not heard of, or a second time for one payment: it goes back.
  IF p_kind = 'paid' AND (v_id IS NULL OR
       v_payment.state IN ('PAID', 'REFUND_DUE', 'REFUNDED') AND
       COALESCE(v_payment.payment_ref <> p_payment_ref, v_payment.session_ref <> p_session_ref, false)) THEN
    IF v_id IS NULL AND p_payment IS NOT NULL AND NOT EXISTS (SELECT FROM payments WHERE id = p_payment) THEN
      v_id := p_payment;
    ELSE
      v_id := encode(substr(sha256(convert_to(concat_ws(E'\n', p_provider,
        COALESCE(p_payment_ref, p_session_ref, p_event, p_payment::text)), 'UTF8')), 1, 16), 'hex')::uuid;
    END IF;
    INSERT INTO payments (id, provider, session_ref, payment_ref, amount, currency, state, next_try)
      VALUES (v_id, p_provider,
              CASE WHEN NOT EXISTS (SELECT FROM payments
                                     WHERE provider = p_provider AND session_ref = p_session_ref)
                THEN p_session_ref END,
              p_payment_ref, p_amount, p_currency, 'REFUND_DUE', clock_timestamp())
      ON CONFLICT (id) DO NOTHING;
    result := CASE WHEN FOUND THEN 'refund_due' ELSE 'repeat' END;
    RETURN;
  END IF;
  IF v_id IS NULL OR p_kind = 'refunded' AND v_payment.payment_ref <> p_payment_ref THEN
    result := 'unknown';
    RETURN;
  END IF;

  IF v_payment.state = 'REFUNDED'
     OR p_kind <> 'refunded' AND v_payment.state IN ('PAID', 'REFUND_DUE')
     OR p_kind IN ('declined', 'ended') AND v_payment.state = 'ENDED'
     OR p_kind = 'refunded' AND p_amount < v_payment.amount THEN
    result := 'repeat';
    RETURN;
  END IF;

  IF p_kind IN ('declined', 'ended') THEN
    UPDATE payments SET state = 'ENDED', next_try = NULL, changed_at = clock_timestamp() WHERE id = v_id;
    IF p_kind = 'declined' THEN
      UPDATE orders SET status = 'CANCELLED', end_reason = 'declined'
        WHERE id = v_order.id AND status = 'PENDING';
    END IF;
    result := p_kind;
    RETURN;
  END IF;

  -- What is known of it from now on, and what it comes to.
  IF p_kind = 'refunded' THEN
    result := 'refunded';
  ELSIF p_amount IS DISTINCT FROM v_payment.amount OR p_currency IS DISTINCT FROM v_payment.currency
        OR EXISTS (SELECT FROM payments WHERE order_id = v_order.id AND state = 'PAID') THEN
    result := 'refund_due';
  ELSIF v_order.status IN ('PENDING', 'COMPLETED') THEN
    -- COMPLETED without a payment: somebody of the shop saw the money before this came.
    result := 'completed';
  ELSIF v_order.status = 'CANCELLED' AND v_order.end_reason = 'expired' THEN
    v_late := order_again(v_order, v_id);
    result := CASE WHEN v_late IS NULL THEN 'refund_due' ELSE 'reacquired' END;
  ELSE
    result := 'refund_due';
  END IF;
  UPDATE payments p
    SET state = CASE result WHEN 'refunded' THEN 'REFUNDED' WHEN 'refund_due' THEN 'REFUND_DUE' ELSE 'PAID' END,
        next_try = CASE WHEN result = 'refund_due' THEN clock_timestamp() END, attempts = 0,
        paid_at = CASE WHEN result IN ('completed', 'reacquired') THEN clock_timestamp() ELSE p.paid_at END,
        order_id = COALESCE(v_late, p.order_id),
        late_for = CASE WHEN v_late IS NULL THEN p.late_for ELSE p.order_id END,
        payment_ref = COALESCE(p.payment_ref, p_payment_ref),
        session_ref = COALESCE(p.session_ref, CASE WHEN NOT EXISTS (
          SELECT FROM payments o WHERE o.provider = p_provider AND o.session_ref = p_session_ref)
          THEN p_session_ref END),
        -- A refund is of what came.
        amount = CASE WHEN result = 'refunded' THEN p.amount ELSE p_amount END,
        currency = CASE WHEN result = 'refunded' THEN p.currency ELSE p_currency END,
        changed_at = clock_timestamp()
    WHERE p.id = v_id;
  -- After the payment, so that what follows from the order leaves it alone.
  IF result = 'completed' THEN
    UPDATE orders SET status = 'COMPLETED' WHERE id = v_order.id AND status = 'PENDING';
  ELSIF result = 'refunded' AND v_payment.state = 'PAID' THEN
    UPDATE orders SET status = 'CANCELLED', end_reason = 'refunded'
      WHERE id = v_order.id AND status = 'COMPLETED';
  END IF;
END $$;

-- Cancels an order that its shopper does not want any more: `cancelled`, or why not (`unknown`, `paid`,
-- `was_cancelled`; `no_provider`: a shop that takes payments elsewhere may be taking this one just now).
CREATE FUNCTION cancel_order(p_job uuid, p_user text) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
  v_order orders%ROWTYPE;
BEGIN
  SELECT * INTO v_order FROM orders WHERE job_id = p_job AND user_id = p_user FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'unknown';
  ELSIF v_order.status = 'COMPLETED' THEN
    RETURN 'paid';
  ELSIF v_order.status = 'CANCELLED' THEN
    RETURN 'was_cancelled';
  ELSIF NOT EXISTS (SELECT FROM products
                     WHERE id = v_order.product_id AND sale_id = v_order.sale_id
                       AND incarnation = v_order.incarnation AND pay_provider IS NOT NULL) THEN
    RETURN 'no_provider';
  END IF;
  UPDATE orders SET status = 'CANCELLED', end_reason = 'shopper' WHERE id = v_order.id;
  RETURN 'cancelled';
END $$;

-- Up to `p_limit` sessions to end and payments to refund at the given providers, those that wait the longest
-- first. Nobody else gets them for `p_lease_ms`; then they are tried again, ever more seldom up to every ten
-- minutes, until somebody says that they are done.
--
-- Sessions whose order's window is over are ended before the order is cancelled, so that within its grace it is
-- found out whether it was paid.
CREATE FUNCTION claim_payment_chores(p_providers text[], p_limit integer, p_lease_ms integer)
RETURNS TABLE (
  payment_id uuid, chore text, provider text, session_ref text, payment_ref text, amount bigint,
  currency text, attempts integer, order_id bigint, sale text, product text
) LANGUAGE plpgsql
SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  DELETE FROM payment_events WHERE (provider, event_id) IN (
    SELECT e.provider, e.event_id FROM payment_events e
      WHERE e.at < v_now - interval '40 days' ORDER BY e.at LIMIT 300 FOR UPDATE SKIP LOCKED);

  WITH past AS MATERIALIZED (
    SELECT p.id, o.expires_at, o.status = 'PENDING' AND o.expires_at > v_now AS is_longer
      FROM (SELECT id, order_id FROM payments
              WHERE state IN ('OPENING', 'OPEN') AND expires_at <= v_now
              ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED) AS p
      LEFT JOIN LATERAL (SELECT status, expires_at FROM orders WHERE id = p.order_id LIMIT 1) AS o ON true)
  UPDATE payments p
    SET state = CASE WHEN is_longer THEN p.state ELSE 'ENDING' END,
        next_try = CASE WHEN is_longer THEN NULL ELSE v_now END,
        expires_at = CASE WHEN is_longer THEN past.expires_at ELSE p.expires_at END,
        changed_at = CASE WHEN is_longer THEN p.changed_at ELSE v_now END
    FROM past WHERE p.id = past.id;

  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT c.id, c.is_over FROM unnest(p_providers) AS wanted(name)
      CROSS JOIN LATERAL (
        SELECT id, next_try, state = 'ENDING' AND session_ref IS NULL
                             AND created_at < v_now - interval '24 hours' AS is_over
          FROM payments
          WHERE provider = wanted.name AND state IN ('ENDING', 'REFUND_DUE') AND next_try <= v_now
          ORDER BY next_try LIMIT p_limit FOR UPDATE SKIP LOCKED) AS c
      ORDER BY c.next_try LIMIT p_limit
  ), claimed AS (
    -- A session that nobody heard of is over after a day at every provider.
    UPDATE payments p
      SET state = CASE WHEN is_over THEN 'ENDED' ELSE p.state END,
          changed_at = CASE WHEN is_over THEN v_now ELSE p.changed_at END,
          attempts = p.attempts + 1,
          next_try = CASE WHEN NOT is_over THEN
            v_now + GREATEST(make_interval(secs => p_lease_ms / 1000.0),
                             LEAST(make_interval(secs => 2 ^ LEAST(p.attempts, 10)), interval '10 minutes')) END
      FROM due WHERE p.id = due.id
      RETURNING p.*)
  SELECT c.id, CASE c.state WHEN 'ENDING' THEN 'end' ELSE 'refund' END, c.provider::text, c.session_ref,
         c.payment_ref, c.amount, c.currency::text, c.attempts, c.order_id, c.sale_id::text,
         c.product_id::text
    FROM claimed c WHERE c.state <> 'ENDED';
END $$;

-- Notes what came of a chore: `ended`, `refunded` (`p_ref` is the refund's id) or `failed` (`p_ref` says why).
-- What changed meanwhile stays as it is.
CREATE FUNCTION end_payment_chore(p_id uuid, p_chore text, p_result text, p_ref text) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
  CASE p_result
    WHEN 'ended' THEN
      UPDATE payments
        SET state = 'ENDED', next_try = NULL, last_error = NULL, changed_at = clock_timestamp()
        WHERE id = p_id AND state = 'ENDING' AND p_chore = 'end'
          -- Not where it became known only after the claim which session is to be ended.
          AND attempts > 0;
    WHEN 'refunded' THEN
      UPDATE payments
        SET state = 'REFUNDED', next_try = NULL, last_error = NULL, refund_ref = p_ref,
            changed_at = clock_timestamp()
        WHERE id = p_id AND state = 'REFUND_DUE' AND p_chore = 'refund';
      -- The provider's event may have come first, which does not name the refund.
      UPDATE payments SET refund_ref = p_ref WHERE id = p_id AND state = 'REFUNDED' AND refund_ref IS NULL;
    WHEN 'failed' THEN
      UPDATE payments
        SET last_error = left(p_ref, 500),
            -- Sooner than after the lease, which is for gateways that died.
            next_try = clock_timestamp() + LEAST(make_interval(secs => 2 ^ LEAST(attempts - 1, 10)),
                                                 interval '10 minutes')
        WHERE id = p_id AND state = CASE p_chore WHEN 'end' THEN 'ENDING' ELSE 'REFUND_DUE' END;
  END CASE;
END $$;

-- Payments of a sale by state: how many, their sum, and how long ago the first of them came to it, in ms. Those
-- without an order belong to no sale: they are counted where `p_sale` is null.
CREATE FUNCTION payments_of_sale(p_sale text)
RETURNS TABLE (state text, payments bigint, amount bigint, oldest_ms bigint) LANGUAGE sql STABLE
SET enable_seqscan = off AS $$
  SELECT p.state::text, count(*), sum(p.amount)::bigint,
         GREATEST(floor(extract(epoch FROM clock_timestamp() - min(p.changed_at)) * 1000)::bigint, 0)
    FROM (SELECT * FROM payments WHERE sale_id = p_sale
          UNION ALL
          SELECT * FROM payments WHERE sale_id IS NULL AND p_sale IS NULL) AS p
    GROUP BY p.state
$$;

DO $$
DECLARE
  v_function regprocedure;
BEGIN
  FOR v_function IN
    SELECT oid FROM pg_proc
      WHERE pronamespace = quote_ident(current_schema())::regnamespace
        AND proname IN ('orders_end_payments', 'open_checkout', 'session_opened', 'session_failed',
                        'order_again', 'apply_payment', 'cancel_order', 'claim_payment_chores',
                        'end_payment_chore', 'payments_of_sale')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp',
                   v_function, current_schema());
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', v_function);
  END LOOP;
END $$;
