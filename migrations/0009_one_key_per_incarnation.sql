-- no-transaction
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS orders_of_one_key_per_incarnation ON orders (sale_id, user_id, idempotency_key, incarnation)
