import type { Clock } from '../model/ambient.ts';
import { type MatrixUserId, matrixUserId } from '../model/ids.ts';
import type { Tx } from './database.ts';
import { DEPLOYMENT_KEY, type Sealer } from './sealer.ts';

/** Something the bot has to tell a person in their own chat. The same `key` is told once. */
export type BotNotice = Readonly<{ key: string; text: string }>;

/** A queue of what could not be said at once: it outlives the account that it is about. */
export class BotNotices {
  readonly #sealer: Sealer;
  readonly #clock: Clock;

  constructor(deps: { sealer: Sealer; clock: Clock }) {
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
  }

  /** Queues it; a key that waits already stays as it is. */
  async insert(tx: Tx, user: MatrixUserId, notice: BotNotice): Promise<void> {
    const sealed = await this.#sealer.seal(tx, DEPLOYMENT_KEY, place(notice.key), Buffer.from(notice.text));
    await tx('bot_notices')
      .insert({
        key: notice.key,
        matrix_user_id: user,
        sealed_text: sealed,
        created_at_ms: this.#clock.nowMs(),
      })
      .onConflict('key')
      .ignore();
  }

  /** The people who have something to be told. */
  async listUsers(tx: Tx): Promise<MatrixUserId[]> {
    const users = await tx('bot_notices').distinct().pluck('matrix_user_id');
    return users.map((user: string) => matrixUserId(user));
  }

  /** @returns the oldest notice for this person; `undefined` when there is none. */
  async findNext(tx: Tx, user: MatrixUserId): Promise<BotNotice | undefined> {
    const row = await tx('bot_notices')
      .where({ matrix_user_id: user })
      .orderBy('created_at_ms')
      .orderBy('key')
      .first<{ key: string; sealed_text: Buffer } | undefined>();
    if (row === undefined) return undefined;
    const text = await this.#sealer.open(tx, DEPLOYMENT_KEY, place(row.key), row.sealed_text);
    return { key: row.key, text: text.toString('utf8') };
  }

  async delete(tx: Tx, key: string): Promise<void> {
    await tx('bot_notices').where({ key }).delete();
  }
}

function place(key: string) {
  return { table: 'bot_notices', column: 'sealed_text', row: key };
}
