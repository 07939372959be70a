import type { Random } from '../model/ambient.ts';
import type { AccountId } from '../model/ids.ts';
import type { AccountKey } from './accounts.ts';
import type { Tx } from './database.ts';
import type { Sealer } from './sealer.ts';

/** What an XMPP stream needs to be resumed (XEP-0198) after a cut or a restart. */
export type StreamRecord = Readonly<{
  /** The server's id of the session; `undefined` when the session cannot be resumed. A secret while it lives. */
  smId: string | undefined;
  /** The full JID that was bound. */
  boundJid: string;
  /** Stanzas of the server that are durable here. */
  handled: number;
  /** Stanzas handed to the socket in this session. */
  sent: number;
  /** All that the server archived (XEP-0313) up to this id is durable here; survives sessions. */
  archiveId: string | undefined;
  /** Whether all that was archived before this session is durable here. */
  isCaughtUp: boolean;
}>;

export class Streams {
  readonly #sealer: Sealer;
  readonly #random: Random;

  constructor(deps: { sealer: Sealer; random: Random }) {
    this.#sealer = deps.sealer;
    this.#random = deps.random;
  }

  async find(tx: Tx, account: AccountKey): Promise<StreamRecord | undefined> {
    const row = await tx('streams').where({ account_id: account.id }).first<StreamRow | undefined>();
    if (row === undefined) return undefined;
    const smId =
      row.sealed_sm_id === null
        ? undefined
        : await this.#sealer.open(tx, account.dataKey, place(account.id, row.session), row.sealed_sm_id);
    return {
      smId: smId?.toString('utf8'),
      boundJid: row.bound_jid,
      handled: row.handled,
      sent: row.sent,
      archiveId: row.archive_id ?? undefined,
      isCaughtUp: row.caught_up === 1,
    };
  }

  /** Begins a session: both counts are zero, and it has not caught up. The archive id stays. */
  async begin(
    tx: Tx,
    account: AccountKey,
    session: { smId: string | undefined; boundJid: string },
  ): Promise<void> {
    const name = this.#random.uuid();
    await tx('streams')
      .insert({
        account_id: account.id,
        session: name,
        sealed_sm_id:
          session.smId === undefined
            ? null
            : await this.#sealer.seal(
                tx,
                account.dataKey,
                place(account.id, name),
                Buffer.from(session.smId),
              ),
        bound_jid: session.boundJid,
        handled: 0,
        sent: 0,
        caught_up: 0,
      })
      .onConflict('account_id')
      .merge(['session', 'sealed_sm_id', 'bound_jid', 'handled', 'sent', 'caught_up']);
  }

  async saveHandled(tx: Tx, account: AccountId, handled: number, archiveId?: string): Promise<void> {
    const change = archiveId === undefined ? { handled } : { handled, archive_id: archiveId };
    await tx('streams').where({ account_id: account }).update(change);
  }

  async saveSent(tx: Tx, account: AccountId, sent: number): Promise<void> {
    await tx('streams').where({ account_id: account }).update({ sent });
  }

  async saveCaughtUp(tx: Tx, account: AccountId): Promise<void> {
    await tx('streams').where({ account_id: account }).update({ caught_up: 1 });
  }

  async delete(tx: Tx, account: AccountId): Promise<void> {
    await tx('streams').where({ account_id: account }).delete();
  }
}

type StreamRow = {
  session: string;
  sealed_sm_id: Buffer | null;
  bound_jid: string;
  handled: number;
  sent: number;
  archive_id: string | null;
  caught_up: number;
};

function place(account: AccountId, session: string) {
  return { table: 'streams', column: 'sealed_sm_id', row: `${account}/${session}` };
}
