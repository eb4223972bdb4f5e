-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_by_product ON orders (product_id) WHERE status IS DISTINCT FROM 'CANCELLED'
