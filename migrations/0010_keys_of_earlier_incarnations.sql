-- Law 3, from now on within an incarnation: the index was built without a lock in the migration
-- before this one.
SET LOCAL lock_timeout = '2s';

ALTER TABLE orders
  ADD CONSTRAINT orders_of_one_key_per_incarnation
    UNIQUE USING INDEX orders_of_one_key_per_incarnation,
  DROP CONSTRAINT orders_of_one_key;
