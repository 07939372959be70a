/** What a conversation needs beyond its messages: reactions, deletions, what disappears, and what people have chosen. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('messages', (table) => {
    // When either side deleted it: nothing refers to it any more. Null while it stands.
    table.bigInteger('deleted_at_ms');
    // 1: an edit, a reaction or a deletion, which is about another message and is none itself.
    table.integer('is_remark').notNullable().defaultTo(0);
  });
  await knex.schema.alterTable('portals', (table) => {
    // Seconds after which messages of this conversation disappear on both sides; 0 means never.
    table.bigInteger('expires_in_s').notNullable().defaultTo(0);
    // `seq` of the newest inbound message of which the contact was told that it was read.
    table.bigInteger('read_seq').notNullable().defaultTo(0);
  });
  // One row a reaction that stands: to take it away later, the other side has to be told what it was.
  await knex.schema.createTable('reactions', (table) => {
    table.string('event_id', 255).primary();
    table.string('account_id', 36).notNullable();
    table.string('portal_id', 36).notNullable();
    // Who reacted: outbound (the Matrix user), inbound (the contact); and who wrote what was reacted to.
    table.string('direction', 8).notNullable();
    table.string('target_direction', 8).notNullable();
    table.string('target_id', 32).notNullable();
    table.binary('sealed_emoji').notNullable();
    table.index(['portal_id', 'target_id']);
    table.index(['account_id']);
  });
  // Events that the bridge has to redact when their time is over.
  await knex.schema.createTable('expirations', (table) => {
    table.string('event_id', 255).primary();
    table.string('account_id', 36).notNullable();
    table.string('room_id', 255).notNullable();
    table.bigInteger('expires_at_ms').notNullable();
    table.index(['expires_at_ms']);
    table.index(['account_id']);
  });
  // What a person has chosen about their own side of all bridged chats; the operator's default where there is no row.
  await knex.schema.createTable('user_settings', (table) => {
    table.string('matrix_user_id', 255).notNullable();
    table.string('name', 32).notNullable();
    table.string('value', 64).notNullable();
    table.primary(['matrix_user_id', 'name']);
  });
}
