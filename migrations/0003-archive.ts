/** Whether a stream's session has caught up with the server's archive (XEP-0313); if not, that is done when it is resumed. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('streams', (table) => {
    // 1 when all that was archived before the session is in the inbox.
    table.integer('caught_up').notNullable().defaultTo(0);
  });
}
