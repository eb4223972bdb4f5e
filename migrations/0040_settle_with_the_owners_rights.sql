-- Workers need no rights on the tables: the functions that they call run with the rights of the
-- owner, so that a worker can settle a batch and can change no stock in any other way. A row lock
-- takes the right to update the row, and PostgreSQL knows no right to lock alone.
--
-- Such a function must find nothing but what its owner put there: its search_path is the schema
-- that it is in, and temporary objects come last. A trigger of the shop's own that fires inside of
-- it has to name what is in other schemas in full.
--
-- Nobody but the owner may call them until `flashsale migrate --create-roles` says who else may.
-- Processes of the release before connect as the owner.
DO $$
DECLARE
  v_function regprocedure;
BEGIN
  FOR v_function IN
    SELECT oid FROM pg_proc
      WHERE pronamespace = quote_ident(current_schema())::regnamespace
        AND proname IN ('settle_jobs', 'take_over', 'take_over_from', 'raise_order_ids')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp',
                   v_function, current_schema());
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', v_function);
  END LOOP;
END $$;
