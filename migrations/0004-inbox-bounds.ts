/**
 * What bounds the inbox of the network: how large a stanza is, and an index of what is not settled, so that looking for
 * work costs what waits, not what was ever received.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('network_inbox', (table) => {
    // Of the sealed stanza, as it came; 0 for what was stored before this column.
    table.integer('bytes').notNullable().defaultTo(0);
    table.dropIndex(['state', 'account_id', 'lane', 'seq']);
    // What is settled is forgotten by its age.
    table.index(['settled_at_ms']);
  });
  // Both databases take it for a query only where that says the same: `settled_at_ms is null`.
  await knex.raw(
    'create index network_inbox_unsettled on network_inbox (account_id, lane, seq) where settled_at_ms is null',
  );
}
