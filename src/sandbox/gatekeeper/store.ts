/** What the reference gatekeeper keeps on disk: one SQLite file, written by one process. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import type { UsedToken, UsedTokens } from './proof-token.ts';

/** Someone on the network: a contact with a phone of the gatekeeper's own, or an enlisted user of a third party. */
export interface Account {
  /** The XMPP localpart, and the `interop_id`. Never given to another one. */
  readonly localpart: string;
  readonly kind: 'phone' | 'enlistee';
  /** Who vouches for logins. */
  readonly issuer: string;
  readonly subject: string;
  readonly displayName: string | undefined;
  readonly state: 'active' | 'suspended';
  /** Why it is suspended. */
  readonly reason: string | undefined;
  /** Whether look-ups by others find it. */
  readonly reachable: boolean;
  /** Phones: whether its user takes part in third-party chats. Enlistees: always. */
  readonly optedIn: boolean;
  readonly username: string | undefined;
  /** E.164. */
  readonly phoneNumber: string | undefined;
}

export interface Report {
  readonly reporter: string;
  readonly jid: string;
  readonly reason: string;
  readonly messageIds: readonly string[];
}

type Row = Record<string, string | number | bigint | null | Uint8Array>;

const schema = `
  CREATE TABLE IF NOT EXISTS accounts (
    localpart TEXT PRIMARY KEY, kind TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, display_name TEXT,
    state TEXT NOT NULL, reason TEXT, reachable INTEGER NOT NULL, opted_in INTEGER NOT NULL, username TEXT UNIQUE,
    phone_number TEXT UNIQUE, UNIQUE (issuer, subject)) STRICT;
  CREATE TABLE IF NOT EXISTS devices (
    localpart TEXT PRIMARY KEY REFERENCES accounts ON DELETE CASCADE, registration_id INTEGER NOT NULL,
    identity_key BLOB NOT NULL UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS signed_keys (
    localpart TEXT NOT NULL REFERENCES devices ON DELETE CASCADE, kind TEXT NOT NULL, id INTEGER NOT NULL,
    key BLOB NOT NULL, signature BLOB NOT NULL, PRIMARY KEY (localpart, kind)) STRICT;
  CREATE TABLE IF NOT EXISTS one_time_keys (
    localpart TEXT NOT NULL REFERENCES devices ON DELETE CASCADE, kind TEXT NOT NULL, id INTEGER NOT NULL,
    key BLOB, signature BLOB, PRIMARY KEY (localpart, kind, id)) STRICT;
  CREATE TABLE IF NOT EXISTS fetches (
    fetcher TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    target TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE, PRIMARY KEY (fetcher, target)) STRICT;
  CREATE TABLE IF NOT EXISTS used_tokens (
    issuer TEXT NOT NULL, token_id TEXT NOT NULL, expires_s INTEGER NOT NULL, PRIMARY KEY (issuer, token_id)) STRICT;
  CREATE TABLE IF NOT EXISTS reports (
    id INTEGER PRIMARY KEY, reporter TEXT NOT NULL, jid TEXT NOT NULL, reason TEXT NOT NULL,
    message_ids TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
`;

/** Seconds that a used token is remembered beyond its expiry: more than any leeway. */
const rememberS = 120;

export class GatekeeperStore implements UsedTokens {
  /** For `KeyPool`, which keeps its tables here too. */
  readonly db: DatabaseSync;

  /** @param file created if it is missing; `:memory:` for tests. */
  constructor(file: string) {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    this.db = new DatabaseSync(file);
    this.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
    this.db.exec(schema);
  }

  close(): void {
    this.db.close();
  }

  /** Runs `work` in one transaction; a throw undoes it. Not to be nested. */
  transaction<T>(work: () => T): T {
    this.db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.db.exec('COMMIT');
      return result;
    } catch (failure) {
      this.db.exec('ROLLBACK');
      throw failure;
    }
  }

  findAccount(localpart: string): Account | undefined {
    return toAccount(this.db.prepare('SELECT * FROM accounts WHERE localpart = ?').get(localpart));
  }

  findBySubject(issuer: string, subject: string): Account | undefined {
    const query = this.db.prepare('SELECT * FROM accounts WHERE issuer = ? AND subject = ?');
    return toAccount(query.get(issuer, subject));
  }

  /** @param value a phone number with `+`, or a username in lower case. */
  findByIdentifier(kind: 'phone' | 'username', value: string): Account | undefined {
    const column = kind === 'phone' ? 'phone_number' : 'username';
    return toAccount(this.db.prepare(`SELECT * FROM accounts WHERE ${column} = ?`).get(value));
  }

  listAccounts(): Account[] {
    const rows = this.db.prepare('SELECT * FROM accounts ORDER BY localpart').all();
    return rows.map(toAccount).filter((account) => account !== undefined);
  }

  /** Inserts, or replaces everything but the localpart. */
  saveAccount(account: Account): void {
    this.db
      .prepare(
        `INSERT INTO accounts (localpart, kind, issuer, subject, display_name, state, reason, reachable, opted_in,
           username, phone_number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (localpart) DO UPDATE SET display_name = excluded.display_name, state = excluded.state,
           reason = excluded.reason, reachable = excluded.reachable, opted_in = excluded.opted_in,
           username = excluded.username, phone_number = excluded.phone_number`,
      )
      .run(
        account.localpart,
        account.kind,
        account.issuer,
        account.subject,
        account.displayName ?? null,
        account.state,
        account.reason ?? null,
        Number(account.reachable),
        Number(account.optedIn),
        account.username ?? null,
        account.phoneNumber ?? null,
      );
  }

  /** With its device and keys. */
  deleteAccount(localpart: string): void {
    this.db.prepare('DELETE FROM accounts WHERE localpart = ?').run(localpart);
  }

  claim(token: UsedToken, nowS: number): boolean {
    this.db.prepare('DELETE FROM used_tokens WHERE expires_s < ?').run(nowS - rememberS);
    const { changes } = this.db
      .prepare('INSERT OR IGNORE INTO used_tokens (issuer, token_id, expires_s) VALUES (?, ?, ?)')
      .run(token.issuer, token.tokenId, token.expiresAtS);
    return changes === 1;
  }

  insertReport(report: Report): void {
    this.db
      .prepare('INSERT INTO reports (reporter, jid, reason, message_ids) VALUES (?, ?, ?, ?)')
      .run(report.reporter, report.jid, report.reason, JSON.stringify(report.messageIds));
  }

  /** Oldest first. */
  listReports(): Report[] {
    return this.db
      .prepare('SELECT * FROM reports ORDER BY id')
      .all()
      .map((row) => ({
        reporter: String(row.reporter),
        jid: String(row.jid),
        reason: String(row.reason),
        messageIds: JSON.parse(String(row.message_ids)),
      }));
  }

  /** A named value of the gatekeeper itself, made by `create` the first time. */
  setting(name: string, create: () => string): string {
    const found = this.db.prepare('SELECT value FROM settings WHERE name = ?').get(name);
    if (found !== undefined) return String(found.value);
    const value = create();
    this.db.prepare('INSERT INTO settings (name, value) VALUES (?, ?)').run(name, value);
    return value;
  }
}

function toAccount(row: Row | undefined): Account | undefined {
  if (row === undefined) return undefined;
  const text = (value: Row[string] | undefined) => (typeof value === 'string' ? value : undefined);
  return {
    localpart: String(row.localpart),
    kind: row.kind === 'phone' ? 'phone' : 'enlistee',
    issuer: String(row.issuer),
    subject: String(row.subject),
    displayName: text(row.display_name),
    state: row.state === 'suspended' ? 'suspended' : 'active',
    reason: text(row.reason),
    reachable: row.reachable === 1,
    optedIn: row.opted_in === 1,
    username: text(row.username),
    phoneNumber: text(row.phone_number),
  };
}
