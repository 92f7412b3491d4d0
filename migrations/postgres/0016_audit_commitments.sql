-- For each group of personal values of an entry: the salt of the commitment that its seal covers, or, once the values
-- were erased, the commitment. Entries that were sealed before have none until they are sealed anew.
ALTER TABLE audit_entries ADD COLUMN commitments bytea;
