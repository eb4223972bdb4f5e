-- Orders that have to be paid within a window, and the changes of orders as a log.
SET LOCAL lock_timeout = '2s';

ALTER TABLE orders
  ADD COLUMN expires_at TIMESTAMPTZ,
  ADD COLUMN ended_at   TIMESTAMPTZ,
  ADD COLUMN end_reason VARCHAR(32),
  -- Rows have neither yet, so that none has to be read.
  ADD CONSTRAINT orders_end_reason_is_a_word CHECK (end_reason ~ '^[a-z][a-z0-9_-]*$') NOT VALID,
  ADD CONSTRAINT orders_expires_at_is_near
    CHECK (expires_at >= '1970-01-02' AND expires_at < '9999-01-01') NOT VALID;

COMMENT ON COLUMN orders.expires_at IS 'until when a PENDING order may be paid; null: it had no such window';
COMMENT ON COLUMN orders.ended_at IS 'when the status last changed';
COMMENT ON COLUMN orders.end_reason IS 'why the order was cancelled, e.g. expired; null: nobody said';

-- Changes of the status of orders, in the order in which they were committed: the number is raised under
-- the lock of the product's row, so that it has no gaps and no later number is visible before an earlier
-- one. One row for each product that a statement concerns. Whose orders they are is in orders alone.
CREATE TABLE order_events (
  product_id VARCHAR(255) NOT NULL,
  seq        BIGINT       NOT NULL,
  at         TIMESTAMPTZ  NOT NULL DEFAULT clock_timestamp(),
  order_ids  BIGINT[]     NOT NULL,
  statuses   TEXT         NOT NULL,
  PRIMARY KEY (product_id, seq)
);

COMMENT ON COLUMN order_events.statuses IS 'one letter for each order, its new status: p PENDING, c COMPLETED, x CANCELLED';

-- A cancelled order stays cancelled: its unit may already be sold again.
CREATE FUNCTION orders_change_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'CANCELLED' THEN
    RAISE EXCEPTION 'order % is cancelled and cannot become %', OLD.id, NEW.status
      USING ERRCODE = 'check_violation';
  END IF;
  NEW.ended_at := clock_timestamp();
  RETURN NEW;
END $$;

-- Cancelled orders give their units back, whoever cancels them: to the sale that sold them, if that sale
-- still offers the product. Otherwise the units are no part of what is on offer now: whoever offers the
-- product next says how many there are. Once for each product and not for each order, since each update
-- of the product's row adds a version to it that all who settle have to pass.
--
-- With the rights of the owner, as below: whoever may change an order need not be able to change anything else.
CREATE FUNCTION orders_count_changes() RETURNS trigger LANGUAGE plpgsql
-- A plan is made once a session, perhaps for one order, and kept.
SET enable_nestloop = off AS $$
DECLARE
  v_product     text;
  v_sale        text;
  v_incarnation integer;
  v_orders      bigint[];
  v_statuses    text;
  v_offered     integer; -- cancelled orders of the sale that offers the product
  v_before      integer; -- cancelled orders of sales before it
  v_seq         bigint;
BEGIN
  -- In one order everywhere, so that two statements cannot wait for each other.
  FOR v_product IN
    SELECT DISTINCT product_id FROM old_orders JOIN new_orders USING (id, product_id)
      WHERE old_orders.status IS DISTINCT FROM new_orders.status ORDER BY product_id
  LOOP
    SELECT sale_id, incarnation INTO v_sale, v_incarnation
      FROM products WHERE id = v_product FOR UPDATE;
    CONTINUE WHEN NOT FOUND;
    SELECT array_agg(n.id::bigint ORDER BY n.id),
           string_agg(CASE n.status WHEN 'PENDING' THEN 'p' WHEN 'COMPLETED' THEN 'c' ELSE 'x' END, ''
                      ORDER BY n.id),
           count(*) FILTER (WHERE n.status = 'CANCELLED'
                              AND (n.sale_id, n.incarnation) IS NOT DISTINCT FROM (v_sale, v_incarnation)),
           count(*) FILTER (WHERE n.status = 'CANCELLED'
                              AND (n.sale_id, n.incarnation) IS DISTINCT FROM (v_sale, v_incarnation))
      INTO v_orders, v_statuses, v_offered, v_before
      FROM old_orders o JOIN new_orders n USING (id)
      WHERE n.product_id = v_product AND o.status IS DISTINCT FROM n.status;
    UPDATE products
      SET stock_quantity = stock_quantity + v_offered, sold = sold - v_offered - v_before,
          sold_before = sold_before - v_before, initial_stock = initial_stock - v_before,
          returned = returned + v_before, event_seq = event_seq + 1
      WHERE id = v_product
      RETURNING event_seq INTO v_seq;
    INSERT INTO order_events (product_id, seq, order_ids, statuses)
      VALUES (v_product, v_seq, v_orders, v_statuses);
  END LOOP;
  RETURN NULL;
END $$;

DROP TRIGGER orders_give_back_unit ON orders;
DROP FUNCTION orders_give_back_unit();

CREATE TRIGGER orders_change_status BEFORE UPDATE OF status ON orders
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION orders_change_status();

CREATE TRIGGER orders_count_changes AFTER UPDATE ON orders
  REFERENCING OLD TABLE AS old_orders NEW TABLE AS new_orders
  FOR EACH STATEMENT EXECUTE FUNCTION orders_count_changes();

-- Where an order stands, as `flashsale_domain::order` reads it: `p EXPIRES_MS` (`p` alone without a window),
-- `c`, or `x REASON` (`x` alone when nobody said why). Milliseconds are since 1970.
CREATE FUNCTION order_state(status text, expires_at timestamptz, end_reason text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE status
    WHEN 'COMPLETED' THEN 'c'
    WHEN 'CANCELLED' THEN concat_ws(' ', 'x', end_reason)
    ELSE concat_ws(' ', 'p', floor(extract(epoch FROM expires_at) * 1000)::bigint)
  END
$$;

-- Cancels up to `p_limit` orders of a product whose window and its grace are over, the oldest first, and
-- says in how many milliseconds the next is due (0: at once; null: none is pending). Those that somebody is
-- just changing are left for the next call. Orders of sales that offered the product before count too.
--
-- The product's row is locked before the orders, as everywhere.
CREATE FUNCTION expire_orders(
  p_sale text, p_product text, p_driver uuid, p_limit integer,
  OUT expired integer, OUT next_ms bigint
) LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
  v_driver uuid;
  v_grace  interval;
  v_until  timestamptz;
  v_ids    bigint[];
BEGIN
  SELECT driver, make_interval(secs => pay_grace_seconds) INTO v_driver, v_grace
    FROM products WHERE id = p_product AND sale_id = p_sale FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'product % is not offered by sale %', p_product, p_sale
      USING ERRCODE = 'FS002';
  END IF;
  IF v_driver IS DISTINCT FROM p_driver THEN
    RAISE EXCEPTION 'product % has another driver now', p_product
      USING ERRCODE = 'FS001';
  END IF;
  v_until := clock_timestamp() - v_grace;
  SELECT array_agg(id) INTO v_ids FROM (
    SELECT id FROM orders
      WHERE product_id = p_product AND status = 'PENDING' AND expires_at <= v_until
      ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED) AS due;
  IF v_ids IS NOT NULL THEN
    UPDATE orders SET status = 'CANCELLED', end_reason = 'expired' WHERE id = ANY (v_ids);
  END IF;
  expired := COALESCE(cardinality(v_ids), 0);
  SELECT min(expires_at) INTO v_until
    FROM orders WHERE product_id = p_product AND status = 'PENDING' AND expires_at IS NOT NULL;
  IF v_until IS NOT NULL THEN
    next_ms := GREATEST(ceil(extract(epoch FROM v_until + v_grace - clock_timestamp()) * 1000), 0);
  END IF;
END $$;

-- Notes that Redis and shoppers were told of a product's changes up to number `p_told`, and answers the
-- orders that the next `p_limit` changes concern, as they stand now, also those of earlier sales. `last_seq` is
-- the number to note once they are told. `missed` says that changes in between are no longer kept, or that one
-- statement changed more orders than can be read at once: then all orders have to be told anew, as
-- `order_states` reads them from now on, and `last_seq` noted with them.
CREATE FUNCTION order_changes(p_sale text, p_product text, p_told bigint, p_limit integer,
  OUT last_seq bigint, OUT missed boolean, OUT stock_left integer, OUT version bigint,
  OUT settled_version bigint, OUT order_ids bigint[], OUT job_ids uuid[], OUT user_ids text[],
  OUT sale_ids text[], OUT states text[]
) LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
  c_most      constant integer := 10000; -- orders at once
  v_event_seq bigint;
  v_told      bigint;
  v_first     bigint;
BEGIN
  SELECT p.event_seq, p.told_seq, p.stock_quantity, p.stock_version, p.settled_version
    INTO v_event_seq, v_told, stock_left, version, settled_version
    FROM products p WHERE id = p_product AND sale_id = p_sale;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'product % is not offered by sale %', p_product, p_sale
      USING ERRCODE = 'FS002';
  END IF;
  IF p_told > v_told AND p_told <= v_event_seq THEN
    UPDATE products SET told_seq = p_told WHERE id = p_product AND told_seq < p_told;
    DELETE FROM order_events WHERE product_id = p_product AND seq <= p_told;
  END IF;
  SELECT min(seq), max(seq) FILTER (WHERE total <= c_most) INTO v_first, last_seq FROM (
    SELECT seq, sum(orders) OVER (ORDER BY seq) AS total FROM (
      SELECT e.seq, cardinality(e.order_ids) AS orders FROM order_events e
        WHERE e.product_id = p_product AND e.seq > p_told
        ORDER BY e.seq LIMIT p_limit) AS next) AS summed;
  missed := p_told > v_event_seq OR COALESCE(v_first, v_event_seq + 1) > p_told + 1
    OR v_first IS NOT NULL AND last_seq IS NULL;
  last_seq := CASE WHEN missed THEN v_event_seq ELSE COALESCE(last_seq, v_event_seq) END;
  IF missed THEN
    RETURN;
  END IF;
  SELECT array_agg(o.id::bigint ORDER BY e.seq), array_agg(o.job_id ORDER BY e.seq),
         array_agg(o.user_id::text ORDER BY e.seq), array_agg(o.sale_id::text ORDER BY e.seq),
         array_agg(order_state(o.status, o.expires_at, o.end_reason) ORDER BY e.seq)
    INTO order_ids, job_ids, user_ids, sale_ids, states
    FROM order_events e
    CROSS JOIN LATERAL unnest(e.order_ids) AS changed(id)
    JOIN orders o ON o.id = changed.id
    WHERE e.product_id = p_product AND e.seq > p_told AND e.seq <= last_seq;
END $$;

-- Where the orders of a sale's present incarnation stand, among the next `p_limit` behind a shopper's key:
-- those of the product that are not simply COMPLETED, as in a sale whose orders are not paid for here.
-- `last_user` and `last_key` are the place of the next page, null at the end.
CREATE FUNCTION order_states(p_sale text, p_product text, p_user text, p_key text, p_limit integer,
  OUT order_ids bigint[], OUT job_ids uuid[], OUT user_ids text[], OUT sale_ids text[],
  OUT states text[], OUT last_user text, OUT last_key text
) LANGUAGE sql STABLE
SET enable_seqscan = off AS $$
  WITH page AS (
    SELECT id, job_id, user_id, idempotency_key, product_id, status, expires_at, end_reason,
           row_number() OVER (ORDER BY user_id DESC, idempotency_key DESC) AS from_last
      FROM (SELECT * FROM orders
              WHERE sale_id = p_sale AND (user_id, idempotency_key) > (p_user, p_key)
                AND incarnation = COALESCE((SELECT incarnation FROM sales WHERE id = p_sale), 1)
              ORDER BY user_id, idempotency_key LIMIT p_limit) AS behind
  ), told AS (
    SELECT * FROM page
      WHERE product_id = p_product AND (status <> 'COMPLETED' OR expires_at IS NOT NULL)
  )
  SELECT (SELECT array_agg(id::bigint ORDER BY id) FROM told),
         (SELECT array_agg(job_id ORDER BY id) FROM told),
         (SELECT array_agg(user_id::text ORDER BY id) FROM told),
         (SELECT array_agg(p_sale ORDER BY id) FROM told),
         (SELECT array_agg(order_state(status, expires_at, end_reason) ORDER BY id) FROM told),
         (SELECT user_id::text FROM page WHERE from_last = 1),
         (SELECT idempotency_key::text FROM page WHERE from_last = 1)
$$;

DO $$
DECLARE
  v_function regprocedure;
BEGIN
  FOR v_function IN
    SELECT oid FROM pg_proc
      WHERE pronamespace = quote_ident(current_schema())::regnamespace
        AND proname IN ('orders_count_changes', 'expire_orders', 'order_changes', 'order_states')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp',
                   v_function, current_schema());
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', v_function);
  END LOOP;
END $$;
