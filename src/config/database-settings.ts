import type { Config } from './schema.ts';

/** `database` in the form that storage takes: two shapes instead of one URI that means two things. */
export function databaseSettings(
  database: Config['database'],
):
  | { readonly type: 'sqlite'; readonly file: string }
  | { readonly type: 'postgres'; readonly url: string; readonly maxConnections: number } {
  const uri = database.uri.reveal();
  return database.type === 'sqlite'
    ? { type: 'sqlite', file: uri }
    : { type: 'postgres', url: uri, maxConnections: database.max_open_conns };
}
