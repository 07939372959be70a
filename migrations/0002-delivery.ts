/** What delivery needs beyond the queues: the fate of each message, sent messages for retries, and retries asked for. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('accounts', (table) => {
    // When the gatekeeper was first asked to enlist; null while it cannot know the user.
    table.bigInteger('asked_at_ms');
  });
  await knex.schema.alterTable('portals', (table) => {
    // When the user left the room: with the next message they are invited again. Null while they are in it.
    table.bigInteger('user_left_at_ms');
  });
  // What the bot has to say in a person's own chat and could not say yet, sealed under the deployment's key.
  await knex.schema.createTable('bot_notices', (table) => {
    table.string('key', 128).primary();
    table.string('matrix_user_id', 255).notNullable();
    table.binary('sealed_text').notNullable();
    table.bigInteger('created_at_ms').notNullable();
    table.index(['matrix_user_id']);
  });
  // One row a Matrix event that was meant for a contact: what became of it, and what its sender was last told.
  await knex.schema.createTable('fates', (table) => {
    table.string('event_id', 255).primary();
    table.string('room_id', 255).notNullable();
    table.string('account_id', 36).notNullable();
    // waiting, sent, delivered, failed, maybe-failed
    table.string('state', 16).notNullable();
    // The state of which the room was last told; null while it was told of none.
    table.string('told', 16);
    table.string('error_code', 64);
    // Id of the text that tells the sender why; null when nothing failed.
    table.string('reason', 64);
    // JSON of the numbers and words that the text names; never content.
    table.string('reason_args', 255);
    table.bigInteger('changed_at_ms').notNullable();
    table.index(['account_id']);
    table.index(['room_id']);
  });
  // Plaintext of what was sent, sealed, for a contact whose app cannot decrypt it and asks again.
  await knex.schema.createTable('sent_messages', (table) => {
    table.string('account_id', 36).notNullable();
    table.string('message_id', 32).notNullable();
    table.string('contact_id', 2047).notNullable();
    table.binary('sealed_content').notNullable();
    // The highest count of a retry request that was answered.
    table.integer('retries').notNullable();
    table.bigInteger('expires_at_ms').notNullable();
    table.primary(['account_id', 'message_id']);
    table.index(['expires_at_ms']);
  });
  // A message of a contact that could not be decrypted, and how often it was asked for again.
  await knex.schema.createTable('missing_messages', (table) => {
    table.string('account_id', 36).notNullable();
    table.string('contact_id', 2047).notNullable();
    // SHA-256 of the stanza id without the count of a retry.
    table.string('stanza_sha256', 64).notNullable();
    table.integer('retries').notNullable();
    // The placeholder in the room, which the late copy replaces.
    table.string('placeholder_event_id', 255);
    table.bigInteger('changed_at_ms').notNullable();
    table.primary(['account_id', 'contact_id', 'stanza_sha256']);
  });
}
