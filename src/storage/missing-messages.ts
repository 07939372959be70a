import { createHash } from 'node:crypto';
import type { Clock } from '../model/ambient.ts';
import { type AccountId, type ContactId, type EventId, eventId } from '../model/ids.ts';
import type { Tx } from './database.ts';

/** A contact's message that could not be decrypted. `retries`: how often it was asked for again. */
export type MissingMessage = Readonly<{ retries: number; placeholder: EventId | undefined }>;

/** Names a message by who sent it and the id of its first stanza. */
export type MissingKey = Readonly<{ account: AccountId; contact: ContactId; stanza: string }>;

export class MissingMessages {
  readonly #clock: Clock;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  async find(tx: Tx, key: MissingKey): Promise<MissingMessage | undefined> {
    const row = await tx('missing_messages')
      .where(where(key))
      .first<{ retries: number; placeholder_event_id: string | null } | undefined>();
    if (row === undefined) return undefined;
    return {
      retries: row.retries,
      placeholder: row.placeholder_event_id === null ? undefined : eventId(row.placeholder_event_id),
    };
  }

  async save(tx: Tx, key: MissingKey, missing: MissingMessage): Promise<void> {
    await tx('missing_messages')
      .insert({
        ...where(key),
        retries: missing.retries,
        placeholder_event_id: missing.placeholder ?? null,
        changed_at_ms: this.#clock.nowMs(),
      })
      .onConflict(['account_id', 'contact_id', 'stanza_sha256'])
      .merge(['retries', 'placeholder_event_id', 'changed_at_ms']);
  }

  async delete(tx: Tx, key: MissingKey): Promise<void> {
    await tx('missing_messages').where(where(key)).delete();
  }

  async deleteOlder(tx: Tx, beforeMs: number): Promise<void> {
    await tx('missing_messages').where('changed_at_ms', '<', beforeMs).delete();
  }

  async deleteOfAccount(tx: Tx, account: AccountId): Promise<void> {
    await tx('missing_messages').where({ account_id: account }).delete();
  }
}

/** The contact chose the stanza id: hashed, it has one length whatever they chose. */
function where({ account, contact, stanza }: MissingKey) {
  const digest = createHash('sha256').update(stanza).digest('hex');
  return { account_id: account, contact_id: contact, stanza_sha256: digest };
}
