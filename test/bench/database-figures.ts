/** What PostgreSQL tells about its own work. SQLite, locked for one process, tells nothing to another. */
import pg from 'pg';
import type { Postgres } from '../../src/sandbox/postgres/postgres.ts';

/**
 * Runs `work`. @returns what it gave, and the transaction ids that were used meanwhile; `undefined` without PostgreSQL.
 * A transaction takes one when it first writes, and so does a savepoint in it: reading costs none.
 */
export async function countTransactions<Result>(
  postgres: Postgres | undefined,
  work: () => Promise<Result>,
): Promise<{ result: Result; transactions: number | undefined }> {
  if (postgres === undefined) return { result: await work(), transactions: undefined };
  const before = await readNextTransaction(postgres);
  const result = await work();
  return { result, transactions: (await readNextTransaction(postgres)) - before };
}

/** Bytes written to the log since the cluster was made. */
export async function readWalBytes(url: string): Promise<number> {
  const [row] = await query(url, "select pg_current_wal_lsn() - '0/0' as bytes");
  return Number(row?.bytes);
}

async function readNextTransaction(postgres: Postgres): Promise<number> {
  const [row] = await query(
    postgres.url('postgres'),
    'select pg_snapshot_xmax(pg_current_snapshot()) as next',
  );
  return Number(row?.next);
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
