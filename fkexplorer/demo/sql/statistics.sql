-- Estimated rows and sizes, as a server that has run for a while knows them. Each partition goes with its root.
DO $$ BEGIN
    EXECUTE (
        SELECT 'ANALYZE ' || string_agg(format('%I.%I', n.nspname, c.relname), ', ')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_)'
    );
END $$;
