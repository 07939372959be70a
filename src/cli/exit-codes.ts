/** The one table of exit codes: what ends the program, by name. The numbers are those that other bridges use. */
export const EXIT = {
  ok: 0,
  failed: 1,
  configUnreadable: 10,
  configInvalid: 11,
  databaseUnavailable: 14,
  databaseMigration: 15,
  homeserverRefused: 16,
  homeserverMismatch: 17,
  registrationUnwritable: 20,
  registrationExists: 21,
  registrationDiffers: 22,
  listenerUnavailable: 23,
  masterKeyWrong: 33,
} as const;

export type ExitName = keyof typeof EXIT;
export type ExitCode = (typeof EXIT)[ExitName];

/** What each code means and what to do; `docs/cli.md` is made from it. */
export const EXIT_WORDS: Readonly<Record<ExitName, string>> = {
  ok: 'Done; for `start`: stopped by a signal, in order.',
  failed: 'A wrong command line, or a failure without a number of its own. The output says which.',
  configUnreadable: 'The configuration does not exist, may not be read, or is not YAML.',
  configInvalid: 'The configuration has faults; all of them are told.',
  databaseUnavailable:
    'The database cannot be opened or reached, its disk is full, or another process holds it.',
  databaseMigration:
    'The schema could not be brought up to date, or a newer version of Drawbridge has changed it.',
  homeserverRefused:
    'The homeserver refuses `as_token`: is the registration in place, and was the homeserver restarted?',
  homeserverMismatch:
    'The homeserver takes `as_token` for another user, or has another `domain`: the registration is not ours.',
  registrationUnwritable: 'The registration, or new tokens in the configuration, could not be written.',
  registrationExists: 'The registration’s file exists already; `--force` overwrites it.',
  registrationDiffers: '`register --check`: the file is not what the configuration would give now.',
  listenerUnavailable: 'A listener’s address and port cannot be used.',
  masterKeyWrong: '`encryption.master_key` does not open what is in the database.',
};

/** Codes of errors that have an exit code of their own, whoever raises them. */
const BY_ERROR: Readonly<Record<string, ExitCode>> = {
  'storage/unreachable': EXIT.databaseUnavailable,
  'storage/inUse': EXIT.databaseUnavailable,
  'storage/diskFull': EXIT.databaseUnavailable,
  'storage/migrationFailed': EXIT.databaseMigration,
  'storage/wrongMasterKey': EXIT.masterKeyWrong,
  'matrix/badToken': EXIT.homeserverRefused,
  'matrix/wrongUser': EXIT.homeserverMismatch,
  'http/cannotListen': EXIT.listenerUnavailable,
};

/** The exit code for an error's code; `failed` for one without its own. */
export function exitCodeFor(errorCode: string): ExitCode {
  return BY_ERROR[errorCode] ?? EXIT.failed;
}
