-- How many upgrades of its seed a directory has had. Those that there are were
-- filled before there were any.
ALTER TABLE directory ADD COLUMN seed_upgrades INTEGER NOT NULL DEFAULT 0;
