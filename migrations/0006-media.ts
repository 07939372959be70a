/** Files that are hosted, encrypted, for contacts to fetch. The files themselves lie in a folder or a bucket. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // The row is there before the file and goes after it: no file without a row, whenever the process dies.
  await knex.schema.createTable('hosted_media', (table) => {
    table.string('id', 43).primary();
    table.string('account_id', 36).notNullable();
    // What it is hosted for, so that a repeated step finds it: an event and a part. Null once it is leaving.
    table.string('reference', 300);
    // writing, hosted, leaving
    table.string('state', 16).notNullable();
    // Of the ciphertext.
    table.bigInteger('size_bytes').notNullable();
    // Key, digest and size of the plaintext; null once the message that names them needs them no more.
    table.binary('sealed_facts');
    table.bigInteger('created_at_ms').notNullable();
    table.bigInteger('expires_at_ms').notNullable();
    table.unique(['account_id', 'reference']);
    table.index(['state', 'expires_at_ms']);
  });
}
