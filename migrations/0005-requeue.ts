/** What putting failed messages back into the way needs: how often it was done, and finding the failed ones. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('fates', (table) => {
    // How often the message was put back into the way after it had failed: each time its fate is told anew.
    table.integer('requeues').notNullable().defaultTo(0);
  });
  // Partial, so that messages which get through cost nothing.
  await knex.raw(
    "create index fates_failed on fates (account_id, changed_at_ms) where state in ('failed', 'maybe-failed')",
  );
  await knex.schema.alterTable('accounts', (table) => {
    // When the user was told that the network does not let them in; null while it does.
    table.bigInteger('refused_told_at_ms');
  });
}
