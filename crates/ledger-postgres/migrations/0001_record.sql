-- The record: entries in the frames that the files have too, the tree over them, what was signed, and one row that
-- says how far all of it goes and who may go on.

CREATE TABLE head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Entries in the record. A batch is stored only if this is what its writer believes.
    size bigint NOT NULL DEFAULT 0,
    -- The highest number of the journal that is stored.
    journal_seq bigint NOT NULL DEFAULT 0,
    -- Rises with each writer: an earlier one can store nothing more.
    epoch bigint NOT NULL DEFAULT 0,
    -- Who writes, for people, and until when nobody else may take over.
    holder text NOT NULL DEFAULT '',
    until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);

INSERT INTO head DEFAULT VALUES;

CREATE TABLE entries (
    seq bigint PRIMARY KEY,
    -- The id, or what stands for a long one.
    key bytea NOT NULL UNIQUE,
    journal_seq bigint,
    at timestamptz NOT NULL,
    bot text,
    kind text NOT NULL,
    -- What the tree hashes; everything before is taken from it, to be searched.
    frame bytea NOT NULL
);

CREATE INDEX entries_at ON entries USING brin (at) WITH (autosummarize = on);

-- The hashes of the tree in the order in which they are complete: those of one batch a row, from number `first` on.
CREATE TABLE tree (
    first bigint PRIMARY KEY,
    hashes bytea NOT NULL
);
ALTER TABLE tree ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE checkpoints (
    size bigint PRIMARY KEY,
    note text NOT NULL
);

-- Against a slip of the hand; whoever means to change the record is found out by its checkpoints.
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the record is only ever appended to' USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tree EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints EXECUTE FUNCTION append_only();
