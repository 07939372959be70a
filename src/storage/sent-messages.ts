import type { Clock } from '../model/ambient.ts';
import { type AccountId, type ContactId, contactId, type MessageId } from '../model/ids.ts';
import type { AccountKey } from './accounts.ts';
import type { Tx } from './database.ts';
import type { Sealer } from './sealer.ts';

/** A message that was sent, kept for a contact who asks for it again. `content`: the padded plaintext; wipe it after use. */
export type SentMessage = Readonly<{ contact: ContactId; content: Buffer; retries: number }>;

export class SentMessages {
  readonly #sealer: Sealer;
  readonly #clock: Clock;

  constructor(deps: { sealer: Sealer; clock: Clock }) {
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
  }

  /** Keeps it for `keepMs`. One that is kept already stays as it is. */
  async insert(
    tx: Tx,
    account: AccountKey,
    sent: { message: MessageId; contact: ContactId; content: Uint8Array; keepMs: number },
  ): Promise<void> {
    const sealed = await this.#sealer.seal(
      tx,
      account.dataKey,
      place(account.id, sent.message),
      sent.content,
    );
    await tx('sent_messages')
      .insert({
        account_id: account.id,
        message_id: sent.message,
        contact_id: sent.contact,
        sealed_content: sealed,
        retries: 0,
        expires_at_ms: this.#clock.nowMs() + sent.keepMs,
      })
      .onConflict(['account_id', 'message_id'])
      .ignore();
  }

  /** @returns `undefined` when it was never sent, or its time is over. */
  async find(tx: Tx, account: AccountKey, message: MessageId): Promise<SentMessage | undefined> {
    const row = await tx('sent_messages')
      .where({ account_id: account.id, message_id: message })
      .where('expires_at_ms', '>', this.#clock.nowMs())
      .first<{ contact_id: string; sealed_content: Buffer; retries: number } | undefined>();
    if (row === undefined) return undefined;
    const content = await this.#sealer.open(
      tx,
      account.dataKey,
      place(account.id, message),
      row.sealed_content,
    );
    return { contact: contactId(row.contact_id), content, retries: row.retries };
  }

  /** The message failed: it is kept for `keepMs` from now on, in case it is sent again; not shorter than before. */
  async keepFor(tx: Tx, account: AccountId, message: MessageId, keepMs: number): Promise<void> {
    const untilMs = this.#clock.nowMs() + keepMs;
    await tx('sent_messages')
      .where({ account_id: account, message_id: message })
      .where('expires_at_ms', '<', untilMs)
      .update({ expires_at_ms: untilMs });
  }

  /** The contact's app has it: nobody asks for it any more. */
  async delete(tx: Tx, account: AccountId, message: MessageId): Promise<void> {
    await tx('sent_messages').where({ account_id: account, message_id: message }).delete();
  }

  async saveRetries(tx: Tx, account: AccountId, message: MessageId, retries: number): Promise<void> {
    await tx('sent_messages').where({ account_id: account, message_id: message }).update({ retries });
  }

  /** What still waits in the outbox is left: it was not sent yet, and can be encrypted anew only from here. */
  async deleteExpired(tx: Tx): Promise<void> {
    await tx('sent_messages')
      .where('expires_at_ms', '<=', this.#clock.nowMs())
      .whereNotExists(
        tx('outbox')
          .where({ state: 'waiting' })
          .whereRaw('outbox.account_id = sent_messages.account_id')
          .whereRaw('outbox.stanza_id = sent_messages.message_id'),
      )
      .delete();
  }

  async deleteOfAccount(tx: Tx, account: AccountId): Promise<void> {
    await tx('sent_messages').where({ account_id: account }).delete();
  }
}

function place(account: AccountId, message: MessageId) {
  return { table: 'sent_messages', column: 'sealed_content', row: `${account}/${message}` };
}
