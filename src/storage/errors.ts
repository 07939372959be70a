import { defineErrors } from '../model/errors.ts';

export const storageErrors = defineErrors('storage', {
  /** The database cannot be opened or reached, or went away in the middle of a transaction. */
  unreachable: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** The disk under the database is full. Nothing was written; all goes on when there is room again. */
  diskFull: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** Another process works this database. */
  inUse: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** A migration failed, or the schema is newer than this program. */
  migrationFailed: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The master key is not the one this database was sealed with. */
  wrongMasterKey: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The data key was destroyed: what it sealed cannot be read any more. */
  dataKeyDestroyed: { retry: 'never', arrived: 'no', notice: 'account-closed' },
  /** A sealed value was changed, moved to another row, or sealed with another key. */
  sealBroken: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A row that must be there is not. */
  rowMissing: { retry: 'never', arrived: 'no', notice: 'internal' },
});
