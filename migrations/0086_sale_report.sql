-- What became of a sale's buys, for `flashsale report` and for gateways: one row for each product that has
-- something to tell, all of one incarnation of the sale. Null stands for what the ledger does not know any more:
-- a sale that has let go of a product, or of all, has no books and no rejections of it.
--
-- Every order is read once. `orders` with their sums are by status and reason, so that whatever reason somebody
-- cancels for is told; all of a product's are in `by_state`.
--
-- Order of arrival: job ids of gateways are UUIDs of version 7, whose first 48 bits are the milliseconds at which
-- the gateway took the buy, and orders are numbered as they are settled. `out_of_order` counts the orders with a
-- smaller number than an order of the product whose job is more than `p_tolerance_ms` older, and `most_ahead_ms` is
-- by how much at most an order stands before an older one. Jobs with other ids tell no time and are left out.
CREATE FUNCTION sale_report(p_sale text, p_incarnation integer, p_tolerance_ms bigint)
RETURNS TABLE (
  product text, incarnation integer, is_on boolean,
  name text, listed boolean, declared bigint, on_offer bigint, units_left bigint, units_sold bigint,
  returned bigint, pay_seconds integer,
  sold_out bigint, limit_reached bigint, restocks bigint, restocked bigint,
  statuses text[], reasons text[], counts bigint[], amounts bigint[],
  first_order_ms bigint, last_order_ms bigint, last_change_ms bigint,
  first_job_ms bigint, last_job_ms bigint,
  undated bigint, out_of_order bigint, most_ahead_ms bigint, late bigint
) LANGUAGE sql STABLE AS $$
  WITH present AS (
    SELECT max(p.incarnation) AS incarnation FROM products p WHERE p.sale_id = p_sale
  ), wanted AS (
    -- `sales` has the incarnation of the next sale once this one is over.
    SELECT COALESCE(p_incarnation, present.incarnation,
                    (SELECT s.incarnation - 1 FROM sales s WHERE s.id = p_sale), 1) AS incarnation,
           COALESCE(present.incarnation = COALESCE(p_incarnation, present.incarnation), false) AS is_on
      FROM present
  ), job AS (
    SELECT o.product_id, o.id, o.status, o.end_reason, o.price, o.created_at, o.ended_at,
           o.idempotency_key = 'late:' || o.job_id AS is_late,
           -- The id of an order that was made again for a late payment is the payment's.
           CASE WHEN get_byte(uuid_send(o.job_id), 6) >> 4 = 7 AND o.idempotency_key <> 'late:' || o.job_id
                THEN ('x' || encode(substring(uuid_send(o.job_id) FOR 6), 'hex'))::bit(48)::bigint END AS ms
      FROM orders o
      WHERE o.sale_id = p_sale AND o.incarnation = (SELECT w.incarnation FROM wanted w)
      OFFSET 0 -- so that the time of a job is read once and not by each of those who use it
  ), placed AS (
    -- The oldest of an order and all behind it, in one pass from the last to the first.
    SELECT j.*, j.ms - min(j.ms) OVER (PARTITION BY j.product_id ORDER BY j.id DESC
                                       ROWS UNBOUNDED PRECEDING) AS ahead_ms
      FROM job j
  ), by_state AS (
    SELECT pl.product_id, COALESCE(pl.status, 'PENDING') AS status, pl.end_reason,
           count(*) AS orders, sum(pl.price)::bigint AS amount,
           min(pl.created_at) AS first_order, max(pl.created_at) AS last_order, max(pl.ended_at) AS last_change,
           min(pl.ms) AS first_ms, max(pl.ms) AS last_ms,
           count(*) FILTER (WHERE pl.ms IS NULL) AS undated,
           count(*) FILTER (WHERE pl.ahead_ms > p_tolerance_ms) AS out_of_order,
           max(pl.ahead_ms) AS most_ahead_ms,
           count(*) FILTER (WHERE pl.is_late) AS late
      FROM placed pl GROUP BY 1, 2, 3
  ), ordered AS (
    SELECT b.product_id,
           array_agg(b.status::text ORDER BY b.status, b.end_reason) AS statuses,
           array_agg(b.end_reason::text ORDER BY b.status, b.end_reason) AS reasons,
           array_agg(b.orders ORDER BY b.status, b.end_reason) AS counts,
           array_agg(b.amount ORDER BY b.status, b.end_reason) AS amounts,
           -- Written by sessions in UTC.
           floor(extract(epoch FROM min(b.first_order)) * 1000)::bigint AS first_order_ms,
           floor(extract(epoch FROM max(b.last_order)) * 1000)::bigint AS last_order_ms,
           floor(extract(epoch FROM max(b.last_change)) * 1000)::bigint AS last_change_ms,
           min(b.first_ms) AS first_job_ms, max(b.last_ms) AS last_job_ms,
           sum(b.undated)::bigint AS undated, sum(b.out_of_order)::bigint AS out_of_order,
           max(b.most_ahead_ms) AS most_ahead_ms, sum(b.late)::bigint AS late
      FROM by_state b GROUP BY b.product_id
  ), offered AS (
    SELECT p.* FROM products p, wanted w
      WHERE w.is_on AND p.sale_id = p_sale AND p.incarnation = w.incarnation
  ), rejected AS (
    SELECT r.product_id,
           sum(length(r.outcomes) - length(replace(r.outcomes, 's', ''))) AS sold_out,
           sum(length(r.outcomes) - length(replace(r.outcomes, 'l', ''))) AS limit_reached
      FROM rejections r, wanted w
      WHERE r.sale_id = p_sale AND r.incarnation = w.incarnation GROUP BY r.product_id
  ), restocked AS (
    SELECT rs.product_id, count(*) AS restocks, sum(rs.change) AS units
      FROM restocks rs, wanted w WHERE w.is_on AND rs.sale_id = p_sale GROUP BY rs.product_id
  ), named AS (
    SELECT f.id AS product_id FROM offered f
    UNION SELECT o.product_id FROM ordered o
    UNION SELECT r.product_id FROM rejected r
  )
  SELECT n.product_id::text, w.incarnation, w.is_on,
         f.name::text, f.listed, f.declared_stock::bigint, f.initial_stock::bigint - f.sold_before,
         f.stock_quantity::bigint, f.sold::bigint - f.sold_before, f.returned::bigint, f.pay_seconds,
         CASE WHEN k.kept THEN COALESCE(r.sold_out, 0) END,
         CASE WHEN k.kept THEN COALESCE(r.limit_reached, 0) END,
         CASE WHEN w.is_on THEN COALESCE(rs.restocks, 0) END,
         CASE WHEN w.is_on THEN COALESCE(rs.units, 0) END,
         COALESCE(o.statuses, '{}'), COALESCE(o.reasons, '{}'), COALESCE(o.counts, '{}'),
         COALESCE(o.amounts, '{}'),
         o.first_order_ms, o.last_order_ms, o.last_change_ms, o.first_job_ms, o.last_job_ms,
         COALESCE(o.undated, 0), COALESCE(o.out_of_order, 0), o.most_ahead_ms, COALESCE(o.late, 0)
    FROM named n
    CROSS JOIN wanted w
    -- Rejections are deleted with the end of the sale, and sales of the first releases wrote none.
    CROSS JOIN LATERAL (
      SELECT w.is_on AND COALESCE((SELECT s.rejections_kept FROM sales s WHERE s.id = p_sale), true) AS kept) AS k
    LEFT JOIN ordered o ON o.product_id = n.product_id
    LEFT JOIN offered f ON f.id = n.product_id
    LEFT JOIN rejected r ON r.product_id = n.product_id
    LEFT JOIN restocked rs ON rs.product_id = n.product_id
    ORDER BY n.product_id
$$;

-- With the rights of the owner, as in 0040.
DO $$
DECLARE
  v_function regprocedure := 'sale_report(text, integer, bigint)'::regprocedure;
BEGIN
  EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp',
                 v_function, current_schema());
  EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', v_function);
END $$;
