-- Whether a product's orders have to be paid is in its row, which settling reads under its lock anyway. So
-- workers of the release before make such orders too.
--
-- The products first and the orders in the next migration: each in a transaction of its own, since settling
-- locks the products before the orders and cancelling the orders before the products.
SET LOCAL lock_timeout = '2s';

ALTER TABLE products
  ADD COLUMN pay_seconds       INTEGER,
  ADD COLUMN pay_grace_seconds INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN event_seq         BIGINT  NOT NULL DEFAULT 0,
  ADD COLUMN told_seq          BIGINT  NOT NULL DEFAULT 0,
  ADD CONSTRAINT products_pay_seconds_positive CHECK (pay_seconds > 0),
  ADD CONSTRAINT products_pay_grace_not_negative CHECK (pay_grace_seconds >= 0);

COMMENT ON COLUMN products.pay_seconds IS 'how long a new order may stay PENDING; null: orders are COMPLETED at once';
COMMENT ON COLUMN products.pay_grace_seconds IS 'how long after its expires_at an order is kept for a payment that is on its way';
COMMENT ON COLUMN products.event_seq IS 'number of the last row of the product in order_events';
COMMENT ON COLUMN products.told_seq IS 'the last row of order_events that Redis and shoppers were told of';
