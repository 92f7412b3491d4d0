-- Sealing writes the row of each entry anew. The places of the former ones are given to later entries soon, not when they
-- are a fifth of a large table.
ALTER TABLE audit_entries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
