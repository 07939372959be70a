/**
 * The first schema. Forward only. Times are epoch milliseconds. Columns named `sealed_*` hold what `src/storage/sealer.ts`
 * made; a sealed value is bound to its table, column and row, so the names here are part of the format.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await keysAndAccounts(knex);
  await signal(knex);
  await rooms(knex);
  await queues(knex);
}

async function keysAndAccounts(knex: Knex): Promise<void> {
  // One row for the deployment itself (id `deployment`), one for each account. Destroying a row turns all that it sealed into noise.
  await knex.schema.createTable('data_keys', (table) => {
    table.string('id', 36).primary();
    table.binary('wrapped').notNullable();
    table.bigInteger('created_at_ms').notNullable();
  });
  await knex.schema.createTable('accounts', (table) => {
    table.string('id', 36).primary();
    table.string('network', 32).notNullable();
    table.string('matrix_user_id', 255).notNullable();
    table.string('data_key_id', 36).notNullable();
    // enlisting, active, suspended, leaving
    table.string('state', 16).notNullable();
    table.binary('sealed_enlistment');
    // SHA-256 of the interop id under the deployment: finds the account that a push names, without holding the id in clear.
    table.string('interop_id_hash', 64);
    table.string('suspended_reason', 255);
    table.bigInteger('created_at_ms').notNullable();
    table.bigInteger('updated_at_ms').notNullable();
    table.unique(['network', 'matrix_user_id']);
    table.index(['network', 'interop_id_hash']);
  });
  // The consent ledger outlives the account: it is the proof of what was agreed to, and of the withdrawal.
  await knex.schema.createTable('consents', (table) => {
    table.bigIncrements('seq');
    table.string('matrix_user_id', 255).notNullable();
    table.string('network', 32).notNullable();
    // opt-in, opt-out
    table.string('action', 16).notNullable();
    table.string('text_id', 64).notNullable();
    table.integer('text_version').notNullable();
    table.string('text_sha256', 64).notNullable();
    table.string('language', 16).notNullable();
    table.string('event_id', 255);
    table.bigInteger('at_ms').notNullable();
    table.index(['matrix_user_id', 'network']);
  });
  await knex.schema.createTable('issuer_keys', (table) => {
    table.string('kid', 64).primary();
    table.string('alg', 16).notNullable();
    table.text('public_jwk').notNullable();
    table.binary('sealed_private').notNullable();
    table.bigInteger('created_at_ms').notNullable();
    table.bigInteger('signs_from_ms').notNullable();
    table.bigInteger('signs_until_ms');
  });
}

async function signal(knex: Knex): Promise<void> {
  await knex.schema.createTable('signal_identities', (table) => {
    table.string('account_id', 36).primary();
    table.integer('registration_id').notNullable();
    table.binary('sealed_key_pair').notNullable();
    // The next id for each kind: ids are never used twice by one account.
    table.integer('next_prekey_id').notNullable();
    table.integer('next_kyber_id').notNullable();
    table.integer('next_signed_id').notNullable();
  });
  await knex.schema.createTable('signal_prekeys', (table) => {
    table.string('account_id', 36).notNullable();
    // one-time, kyber, signed, last-resort
    table.string('kind', 16).notNullable();
    table.integer('key_id').notNullable();
    table.binary('sealed_record').notNullable();
    table.bigInteger('created_at_ms').notNullable();
    // Null until the keys service has confirmed the upload: after a crash the same keys go again.
    table.bigInteger('uploaded_at_ms');
    // Set when a newer signed or last-resort key took its place; it is deleted after the configured time.
    table.bigInteger('replaced_at_ms');
    table.primary(['account_id', 'kind', 'key_id']);
  });
  // Base keys seen with a last-resort Kyber key: the same one twice is a replayed session setup.
  await knex.schema.createTable('signal_kyber_uses', (table) => {
    table.string('account_id', 36).notNullable();
    table.integer('kyber_id').notNullable();
    table.integer('signed_id').notNullable();
    table.string('base_key_sha256', 64).notNullable();
    table.primary(['account_id', 'kyber_id', 'signed_id', 'base_key_sha256']);
  });
  await knex.schema.createTable('signal_sessions', (table) => {
    table.string('account_id', 36).notNullable();
    table.string('contact_id', 2047).notNullable();
    table.integer('device_id').notNullable();
    table.binary('sealed_record').notNullable();
    table.bigInteger('updated_at_ms').notNullable();
    table.primary(['account_id', 'contact_id', 'device_id']);
  });
  await knex.schema.createTable('signal_remote_identities', (table) => {
    table.string('account_id', 36).notNullable();
    table.string('contact_id', 2047).notNullable();
    table.integer('device_id').notNullable();
    table.binary('sealed_key').notNullable();
    // The key that came after a change and waits for the user's trust; null when there is none.
    table.binary('sealed_pending_key');
    table.bigInteger('first_seen_ms').notNullable();
    table.bigInteger('changed_at_ms');
    table.primary(['account_id', 'contact_id', 'device_id']);
  });
}

async function rooms(knex: Knex): Promise<void> {
  await knex.schema.createTable('portals', (table) => {
    table.string('id', 36).primary();
    table.string('account_id', 36).notNullable();
    table.string('contact_id', 2047).notNullable();
    table.string('room_id', 255).unique();
    // The event that holds the boundary notice; nothing of the conversation goes into the room before it.
    table.string('notice_event_id', 255);
    // SHA-256 of the boundary facts that were last told in the room.
    table.string('boundary_sha256', 64);
    // When the contact got our boundary notice; null until then.
    table.bigInteger('contact_told_at_ms');
    table.bigInteger('created_at_ms').notNullable();
    table.unique(['account_id', 'contact_id']);
  });
  // A ghost is shared by all accounts of a network, so nothing sealed stands here: the homeserver holds name and avatar.
  await knex.schema.createTable('ghosts', (table) => {
    table.string('network', 32).notNullable();
    table.string('contact_id', 2047).notNullable();
    table.string('matrix_user_id', 255).notNullable().unique();
    // SHA-256 of the profile that the homeserver was last given.
    table.string('profile_sha256', 64);
    table.primary(['network', 'contact_id']);
  });
  await knex.schema.createTable('management_rooms', (table) => {
    table.string('room_id', 255).primary();
    table.string('matrix_user_id', 255).notNullable();
    // What the bot asked for last and the answer to which is awaited; null when nothing is.
    table.text('dialogue');
    table.bigInteger('created_at_ms').notNullable();
    table.index(['matrix_user_id']);
  });
  // A row a message and part that crossed: ids only, no content.
  await knex.schema.createTable('messages', (table) => {
    table.bigIncrements('seq');
    table.string('portal_id', 36).notNullable();
    // outbound (Matrix to network), inbound
    table.string('direction', 8).notNullable();
    table.string('message_id', 32).notNullable();
    table.integer('part').notNullable();
    table.string('stanza_id', 256).notNullable();
    table.string('event_id', 255).notNullable();
    table.bigInteger('sent_at_ms').notNullable();
    table.bigInteger('stored_at_ms').notNullable();
    table.bigInteger('delivered_at_ms');
    table.unique(['portal_id', 'direction', 'message_id', 'part']);
    table.index(['event_id']);
    table.index(['portal_id', 'stanza_id']);
  });
}

async function queues(knex: Knex): Promise<void> {
  await knex.schema.createTable('matrix_inbox', (table) => {
    table.bigIncrements('seq');
    table.string('event_id', 255).notNullable().unique();
    table.string('room_id', 255).notNullable();
    table.string('sender', 255).notNullable();
    table.string('type', 255).notNullable();
    table.string('data_key_id', 36).notNullable();
    // The event as it came, sealed; null once the row is done.
    table.binary('sealed_event');
    // waiting, done, failed
    table.string('state', 8).notNullable();
    table.integer('attempts').notNullable();
    table.bigInteger('not_before_ms').notNullable();
    table.string('error_code', 64);
    table.bigInteger('received_at_ms').notNullable();
    table.bigInteger('settled_at_ms');
    table.index(['state', 'room_id', 'seq']);
  });
  await knex.schema.createTable('streams', (table) => {
    table.string('account_id', 36).primary();
    table.string('session', 36).notNullable();
    table.binary('sealed_sm_id');
    table.string('bound_jid', 3071).notNullable();
    table.bigInteger('handled').notNullable();
    table.bigInteger('sent').notNullable();
    table.string('archive_id', 255);
  });
  await knex.schema.createTable('network_inbox', (table) => {
    table.bigIncrements('seq');
    table.string('id', 36).notNullable().unique();
    table.string('account_id', 36).notNullable();
    // The bare JID that sent it: the lane in which order is kept.
    table.string('lane', 2047).notNullable();
    // SHA-256 over sender, stanza id and whether it is an error: a stanza that comes again is dropped here.
    table.string('dedupe', 64).notNullable();
    table.string('stanza_id', 256);
    // The stanza, sealed, until it is decrypted; then the content, sealed (the journal), until it is in the room.
    table.binary('sealed_stanza');
    table.binary('sealed_content');
    // waiting, decrypted, done, failed
    table.string('state', 9).notNullable();
    table.integer('attempts').notNullable();
    table.bigInteger('not_before_ms').notNullable();
    table.string('error_code', 64);
    table.bigInteger('received_at_ms').notNullable();
    table.bigInteger('settled_at_ms');
    table.unique(['account_id', 'dedupe']);
    table.index(['state', 'account_id', 'lane', 'seq']);
  });
  await knex.schema.createTable('outbox', (table) => {
    table.bigIncrements('seq');
    table.string('id', 36).notNullable().unique();
    table.string('account_id', 36).notNullable();
    table.string('stanza_id', 256).notNullable();
    // The Matrix event that this stanza carries; null for receipts and notices.
    table.string('event_id', 255);
    table.string('room_id', 255);
    table.binary('sealed_stanza');
    // waiting, done, failed
    table.string('state', 8).notNullable();
    // The count of this stanza in the stream's session (XEP-0198); null until it is handed to the socket.
    table.bigInteger('number');
    table.bigInteger('created_at_ms').notNullable();
    table.bigInteger('settled_at_ms');
    table.unique(['account_id', 'stanza_id']);
    table.index(['account_id', 'state', 'number', 'seq']);
  });
}
