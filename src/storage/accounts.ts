import type { Clock, Random } from '../model/ambient.ts';
import type { Capabilities, CapabilityLimits } from '../model/capabilities.ts';
import {
  type AccountId,
  accountId,
  type ContactId,
  contactId,
  type DeviceId,
  deviceId,
  type MatrixUserId,
  matrixUserId,
  type NetworkId,
  networkId,
} from '../model/ids.ts';
import type { Tx } from './database.ts';
import { storageErrors } from './errors.ts';
import type { DataKeyId, Sealer } from './sealer.ts';

/**
 * `enlisting`: keys are made, the gatekeeper has not confirmed. `active`: messages cross. `suspended`: the gatekeeper said
 * so; messages wait. `leaving`: an opt-out is under way and is carried on after a restart.
 */
export type AccountState = 'enlisting' | 'active' | 'suspended' | 'leaving';

/** What the gatekeeper answered to the enlistment (interop profile §2). */
export type Enlistment = Readonly<{
  interopId: string;
  jid: ContactId;
  device: DeviceId;
  host: string;
  port: number;
  /** Names of `SendableKind`. */
  capabilities: readonly string[];
  limits: CapabilityLimits;
  /** Absent in rows of an earlier release, which means the same as empty. */
  media?: Capabilities['media'];
}>;

/** Names an account together with the key that seals what is its own. */
export type AccountKey = Readonly<{ id: AccountId; dataKey: DataKeyId }>;

/** One Matrix user on one network. */
export type Account = AccountKey &
  Readonly<{
    network: NetworkId;
    user: MatrixUserId;
    state: AccountState;
    enlistment: Enlistment | undefined;
    suspendedReason: string | undefined;
    /** When the gatekeeper was first asked to enlist; `undefined` while it cannot know the user. */
    askedAtMs: number | undefined;
    createdAtMs: number;
  }>;

export class Accounts {
  readonly #sealer: Sealer;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(deps: { sealer: Sealer; clock: Clock; random: Random }) {
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
    this.#random = deps.random;
  }

  /** Makes an account in state `enlisting`, with a data key of its own. */
  async insert(tx: Tx, network: NetworkId, user: MatrixUserId): Promise<Account> {
    const nowMs = this.#clock.nowMs();
    const id = accountId(this.#random.uuid());
    const dataKey = await this.#sealer.createDataKey(tx);
    const row = {
      id,
      network,
      matrix_user_id: user,
      data_key_id: dataKey,
      state: 'enlisting',
      created_at_ms: nowMs,
      updated_at_ms: nowMs,
    };
    await tx('accounts').insert(row);
    return {
      id,
      dataKey,
      network,
      user,
      state: 'enlisting',
      enlistment: undefined,
      suspendedReason: undefined,
      askedAtMs: undefined,
      createdAtMs: nowMs,
    };
  }

  async find(tx: Tx, network: NetworkId, user: MatrixUserId): Promise<Account | undefined> {
    return await this.#one(tx, { network, matrix_user_id: user });
  }

  /** @throws BridgeError `storage/rowMissing` */
  async get(tx: Tx, id: AccountId): Promise<Account> {
    const account = await this.#one(tx, { id });
    if (account === undefined) throw storageErrors.rowMissing({ table: 'accounts', account: id });
    return account;
  }

  /** As `get`, or `undefined` when it is gone. */
  async findById(tx: Tx, id: AccountId): Promise<Account | undefined> {
    return await this.#one(tx, { id });
  }

  /** @param interopIdHash as given to `saveEnlistment`. */
  async findByInteropIdHash(tx: Tx, network: NetworkId, interopIdHash: string): Promise<Account | undefined> {
    return await this.#one(tx, { network, interop_id_hash: interopIdHash });
  }

  async listOfUser(tx: Tx, user: MatrixUserId): Promise<Account[]> {
    return await this.#many(tx, { matrix_user_id: user });
  }

  async list(tx: Tx): Promise<Account[]> {
    return await this.#many(tx, {});
  }

  /** The accounts for which something is to be carried through at the gatekeeper: all but the active ones. */
  async listUnsettled(tx: Tx): Promise<AccountId[]> {
    const ids = await tx('accounts').whereNot({ state: 'active' }).orderBy('created_at_ms').pluck('id');
    return ids.map((id: string) => accountId(id));
  }

  /** How many accounts are in each state, network by network. */
  async count(tx: Tx): Promise<{ network: string; state: AccountState; count: number }[]> {
    const rows = await tx('accounts')
      .groupBy('network', 'state')
      .select('network', 'state')
      .count<{ network: string; state: AccountState; n: number | string }[]>({ n: '*' });
    return rows.map(({ network, state, n }) => ({ network, state, count: Number(n) }));
  }

  /** Stores the gatekeeper's answer and makes the account active, unless the user has begun to leave meanwhile. */
  async saveEnlistment(
    tx: Tx,
    account: AccountKey,
    enlistment: Enlistment,
    interopIdHash: string,
  ): Promise<void> {
    const sealed = await this.#sealer.seal(
      tx,
      account.dataKey,
      enlistmentPlace(account.id),
      Buffer.from(JSON.stringify(enlistment)),
    );
    await tx('accounts')
      .where({ id: account.id })
      .update({
        sealed_enlistment: sealed,
        interop_id_hash: interopIdHash,
        state: tx.raw("case when state = 'leaving' then state else 'active' end"),
        suspended_reason: null,
        updated_at_ms: this.#clock.nowMs(),
      });
  }

  /** What the gatekeeper accepts has changed; the rest of its answer stays. */
  async saveCapabilities(tx: Tx, account: AccountKey, enlistment: Enlistment): Promise<void> {
    const sealed = await this.#sealer.seal(
      tx,
      account.dataKey,
      enlistmentPlace(account.id),
      Buffer.from(JSON.stringify(enlistment)),
    );
    await tx('accounts')
      .where({ id: account.id })
      .whereNotNull('sealed_enlistment')
      .update({ sealed_enlistment: sealed, updated_at_ms: this.#clock.nowMs() });
  }

  /** Notes, before the first request, that the gatekeeper may know the user from now on. */
  async saveAsked(tx: Tx, id: AccountId): Promise<void> {
    await tx('accounts').where({ id }).whereNull('asked_at_ms').update({ asked_at_ms: this.#clock.nowMs() });
  }

  async saveState(tx: Tx, id: AccountId, state: AccountState, suspendedReason?: string): Promise<void> {
    await tx('accounts')
      .where({ id })
      .update({
        state,
        suspended_reason: suspendedReason?.slice(0, 255) ?? null,
        updated_at_ms: this.#clock.nowMs(),
      });
  }

  /**
   * Notes whether the user was told that the network does not let them in.
   * @returns false when that was noted already: it is told once.
   */
  async saveRefusedTold(tx: Tx, id: AccountId, told: boolean): Promise<boolean> {
    const row = tx('accounts').where({ id });
    const changed = told
      ? await row.whereNull('refused_told_at_ms').update({ refused_told_at_ms: this.#clock.nowMs() })
      : await row.whereNotNull('refused_told_at_ms').update({ refused_told_at_ms: null });
    return changed > 0;
  }

  /** Destroys the data key and the row. What the key sealed elsewhere is noise from now on; the caller deletes those rows. */
  async delete(tx: Tx, account: AccountKey): Promise<void> {
    await this.#sealer.destroyDataKey(tx, account.dataKey);
    await tx('accounts').where({ id: account.id }).delete();
  }

  async #one(tx: Tx, where: Partial<AccountRow>): Promise<Account | undefined> {
    const row = await tx('accounts').where(where).first<AccountRow | undefined>();
    return row === undefined ? undefined : await this.#fromRow(tx, row);
  }

  async #many(tx: Tx, where: Partial<AccountRow>): Promise<Account[]> {
    const rows = await tx('accounts')
      .where(where)
      .orderBy('created_at_ms')
      .orderBy('id')
      .select<AccountRow[]>();
    const accounts: Account[] = [];
    for (const row of rows) accounts.push(await this.#fromRow(tx, row));
    return accounts;
  }

  async #fromRow(tx: Tx, row: AccountRow): Promise<Account> {
    const id = accountId(row.id);
    const dataKey = row.data_key_id as DataKeyId;
    const enlistment =
      row.sealed_enlistment === null
        ? undefined
        : parseEnlistment(await this.#sealer.open(tx, dataKey, enlistmentPlace(id), row.sealed_enlistment));
    return {
      id,
      dataKey,
      network: networkId(row.network),
      user: matrixUserId(row.matrix_user_id),
      state: row.state,
      enlistment,
      suspendedReason: row.suspended_reason ?? undefined,
      askedAtMs: row.asked_at_ms ?? undefined,
      createdAtMs: row.created_at_ms,
    };
  }
}

type AccountRow = {
  id: string;
  network: string;
  matrix_user_id: string;
  data_key_id: string;
  state: AccountState;
  sealed_enlistment: Buffer | null;
  interop_id_hash: string | null;
  suspended_reason: string | null;
  asked_at_ms: number | null;
  created_at_ms: number;
  updated_at_ms: number;
};

function enlistmentPlace(id: AccountId) {
  return { table: 'accounts', column: 'sealed_enlistment', row: id };
}

function parseEnlistment(json: Buffer): Enlistment {
  const stored = JSON.parse(json.toString('utf8')) as Enlistment;
  return { ...stored, jid: contactId(stored.jid), device: deviceId(stored.device) };
}
