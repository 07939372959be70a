/** The rules of `signal/` that hold on every database. Run on SQLite by the unit tests, on PostgreSQL by the integration tests. */
import { identityRules } from './signal-identities.ts';
import { keyRules } from './signal-keys.ts';
import { sessionRules } from './signal-sessions.ts';
import type { TestDatabase } from './storage.ts';

/** @param create an empty database of its own for each test. */
export function signalSuite(name: string, create: () => Promise<TestDatabase>): void {
  sessionRules(name, create);
  identityRules(name, create);
  keyRules(name, create);
}
