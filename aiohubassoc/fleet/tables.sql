-- The tables of a fleet, version 2: see VERSION in database.py.
create table aiohubassoc_fleet (version integer not null);
create table aiohubassoc_runs (
  id bigint generated always as identity primary key,
  portal text not null,
  state text not null,
  priority integer not null,
  due_at timestamptz,
  options jsonb not null,
  columns text not null,
  sources text not null,
  job bigint,
  owner uuid,
  cancel_requested boolean not null default false,
  retries integer not null default 0,
  reason text,
  total bigint not null,
  linked bigint not null default 0,
  partial bigint not null default 0,
  failed bigint not null default 0,
  skipped bigint not null,
  rejected bigint not null,
  submitted_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  statistics text
) with (fillfactor = 50);
create index aiohubassoc_runs_open on aiohubassoc_runs (id)
  where state in ('queued', 'running', 'sleeping');
-- One row a pair. Rows change in place (no index holds a changed column): the free room of a page
-- is for their new versions. Status 0 is a pair without an outcome.
create table aiohubassoc_pairs (
  run bigint not null,
  n bigint not null,
  from_type text not null,
  from_id text not null,
  to_type text not null,
  to_id text not null,
  source integer not null,
  line bigint not null,
  cells text,
  status smallint not null default 0,
  attempts integer not null default 0,
  maybe_applied boolean not null default false,
  category text,
  message text,
  correlation_id text,
  at timestamptz,
  primary key (run, n)
) with (fillfactor = 70);
create table aiohubassoc_rejected_rows (
  run bigint not null,
  source integer not null,
  line bigint not null,
  problem text not null,
  cells text not null
);
create index aiohubassoc_rejected_rows_run on aiohubassoc_rejected_rows (run);
