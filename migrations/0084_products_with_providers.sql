-- Which provider takes the payments of a product's orders, in which currency, and what becomes of payments
-- that come too late. All null: as written by releases before this one.
--
-- The products first and the orders in the next migration, as in 0074.
SET LOCAL lock_timeout = '2s';

ALTER TABLE products
  ADD COLUMN pay_provider VARCHAR(63),
  ADD COLUMN currency     VARCHAR(3),
  ADD COLUMN late_policy  VARCHAR(16),
  ADD CONSTRAINT products_late_policy_known CHECK (late_policy IN ('reacquire', 'refund'));

COMMENT ON COLUMN products.pay_provider IS 'name of the provider of payments; null: orders are paid elsewhere';
COMMENT ON COLUMN products.currency IS 'ISO 4217 code of the currency of price';
COMMENT ON COLUMN products.late_policy IS 'what becomes of a payment for an order that expired: reacquire (a unit that is left, otherwise a refund) or refund; null: reacquire';
