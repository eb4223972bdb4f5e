-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_pending ON orders (product_id, expires_at) WHERE status = 'PENDING'
