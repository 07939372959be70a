import type { Clock } from '../model/ambient.ts';
import type { EventId, MatrixUserId, NetworkId } from '../model/ids.ts';
import type { Tx } from './database.ts';

/** A line of the consent ledger: who agreed to, or withdrew from, which text, when, and where it can be seen. */
export type Consent = Readonly<{
  user: MatrixUserId;
  network: NetworkId;
  action: 'opt-in' | 'opt-out';
  textId: string;
  textVersion: number;
  textSha256: string;
  language: string;
  event: EventId | undefined;
  atMs: number;
}>;

/** The ledger. Lines are only ever added. */
export class Consents {
  readonly #clock: Clock;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  async insert(tx: Tx, consent: Omit<Consent, 'atMs'>): Promise<void> {
    await tx('consents').insert({
      matrix_user_id: consent.user,
      network: consent.network,
      action: consent.action,
      text_id: consent.textId,
      text_version: consent.textVersion,
      text_sha256: consent.textSha256,
      language: consent.language,
      event_id: consent.event ?? null,
      at_ms: this.#clock.nowMs(),
    });
  }

  /** The user's last word about this network; `undefined` when there was none. */
  async findLast(tx: Tx, user: MatrixUserId, network: NetworkId): Promise<Consent | undefined> {
    const row = await tx('consents')
      .where({ matrix_user_id: user, network })
      .orderBy('seq', 'desc')
      .first<ConsentRow | undefined>();
    return row === undefined ? undefined : fromRow(row);
  }
}

type ConsentRow = {
  matrix_user_id: string;
  network: string;
  action: Consent['action'];
  text_id: string;
  text_version: number;
  text_sha256: string;
  language: string;
  event_id: string | null;
  at_ms: number;
};

function fromRow(row: ConsentRow): Consent {
  return {
    user: row.matrix_user_id as MatrixUserId,
    network: row.network as NetworkId,
    action: row.action,
    textId: row.text_id,
    textVersion: row.text_version,
    textSha256: row.text_sha256,
    language: row.language,
    event: row.event_id === null ? undefined : (row.event_id as EventId),
    atMs: row.at_ms,
  };
}
