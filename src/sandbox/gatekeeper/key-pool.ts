/**
 * The public keys that the keys service hands out (docs/interop-profile.md, section 5). A one-time key is handed out once:
 * it is forgotten, durably, before it is told, and its id stays known, so that a repeated upload does not bring it back.
 */
import { createHash } from 'node:crypto';

import { type Device, keyLimits, type OneTimeKey, type SignedKey } from './device.ts';
import { gatekeeperErrors } from './gatekeeper-errors.ts';
import type { GatekeeperStore } from './store.ts';

/** Everyone has one device. */
export const onlyDeviceId = 1;

export interface KeyCounts {
  readonly prekeys: number;
  readonly kyber: number;
}

/** What a fetcher gets. Each bundle is made for one fetch. */
export interface Bundle {
  readonly deviceId: number;
  readonly registrationId: number;
  readonly identityKey: Uint8Array<ArrayBuffer>;
  readonly signedPrekey: SignedKey;
  /** Absent when there is none left. */
  readonly prekey: OneTimeKey | undefined;
  /** The last-resort key when there is no one-time key left. */
  readonly kyber: SignedKey;
}

/**
 * Whether a device should upload more: a quarter or less is left of the 20 that the profile begins with.
 * @example
 * isLow({ prekeys: 5, kyber: 20 }) // true
 */
export function isLow(counts: KeyCounts): boolean {
  return Math.min(counts.prekeys, counts.kyber) <= 5;
}

type SignedKind = 'signed' | 'last-resort';
type OneTimeKind = 'ec' | 'kyber';

export class KeyPool {
  readonly #store: GatekeeperStore;

  constructor(store: GatekeeperStore) {
    this.#store = store;
  }

  /** The account's identity key, 33 bytes. */
  findIdentity(localpart: string): Uint8Array<ArrayBuffer> | undefined {
    const row = this.#store.db.prepare('SELECT identity_key FROM devices WHERE localpart = ?').get(localpart);
    return row === undefined ? undefined : bytes(row.identity_key);
  }

  /** Whose identity key this is. */
  findByIdentity(identityKey: Uint8Array): string | undefined {
    const query = this.#store.db.prepare('SELECT localpart FROM devices WHERE identity_key = ?');
    const row = query.get(identityKey);
    return row === undefined ? undefined : String(row.localpart);
  }

  /**
   * Takes a checked device. Another identity key than before throws the old keys away; the same one adds to them.
   * Inside the caller's transaction.
   * @returns whether an earlier identity key was replaced.
   * @throws BridgeError `sandbox-gatekeeper/tooLarge` when more one-time keys would be stored than are kept.
   */
  saveDevice(localpart: string, device: Device): boolean {
    const known = this.findIdentity(localpart);
    const replaced = known !== undefined && Buffer.compare(known, device.identityKey) !== 0;
    if (replaced) this.#store.db.prepare('DELETE FROM devices WHERE localpart = ?').run(localpart);
    this.#store.db
      .prepare(
        `INSERT INTO devices (localpart, registration_id, identity_key) VALUES (?, ?, ?)
         ON CONFLICT (localpart) DO UPDATE SET registration_id = excluded.registration_id`,
      )
      .run(localpart, device.registrationId, device.identityKey);
    this.saveSigned(localpart, { signed: device.signedPrekey, lastResort: device.kyberLastResort });
    this.addOneTime(localpart, device.prekeys, device.kyberPrekeys);
    return replaced;
  }

  /** Replaces the signed and the last-resort key. */
  saveSigned(localpart: string, keys: { readonly signed: SignedKey; readonly lastResort: SignedKey }): void {
    const save = this.#store.db.prepare(
      'INSERT OR REPLACE INTO signed_keys (localpart, kind, id, key, signature) VALUES (?, ?, ?, ?, ?)',
    );
    const put = (kind: SignedKind, { id, key, signature }: SignedKey) =>
      save.run(localpart, kind, id, key, signature);
    put('signed', keys.signed);
    put('last-resort', keys.lastResort);
  }

  /**
   * Adds one-time keys; one whose id is known, handed out or not, is passed over.
   * @throws BridgeError `sandbox-gatekeeper/tooLarge`, and then none must be kept: roll back.
   */
  addOneTime(localpart: string, prekeys: readonly OneTimeKey[], kyber: readonly SignedKey[]): void {
    const add = this.#store.db.prepare(
      'INSERT OR IGNORE INTO one_time_keys (localpart, kind, id, key, signature) VALUES (?, ?, ?, ?, ?)',
    );
    for (const { id, key } of prekeys) add.run(localpart, 'ec', id, key, null);
    for (const { id, key, signature } of kyber) add.run(localpart, 'kyber', id, key, signature);
    const counts = this.count(localpart);
    if (Math.max(counts.prekeys, counts.kyber) > keyLimits.stored) {
      throw gatekeeperErrors.tooLarge({ reason: 'one-time keys' });
    }
  }

  /** Unused one-time keys; zeros for an account without a device. */
  count(localpart: string): KeyCounts {
    const query = this.#store.db.prepare(
      'SELECT count(*) AS n FROM one_time_keys WHERE localpart = ? AND kind = ? AND key IS NOT NULL',
    );
    const of = (kind: OneTimeKind) => Number(query.get(localpart, kind)?.n);
    return { prekeys: of('ec'), kyber: of('kyber') };
  }

  /**
   * Makes a bundle for one fetch, in a transaction of its own: durable when it returns.
   * @param options `spare`: hand out no one-time keys.
   * @returns `undefined` for an account without a device.
   */
  handOut(localpart: string, options: { readonly spare: boolean }): Bundle | undefined {
    return this.#store.transaction(() => {
      const device = this.#store.db.prepare('SELECT * FROM devices WHERE localpart = ?').get(localpart);
      const signedPrekey = this.#findSigned(localpart, 'signed');
      const lastResort = this.#findSigned(localpart, 'last-resort');
      if (device === undefined || signedPrekey === undefined || lastResort === undefined) return undefined;
      const take = (kind: OneTimeKind) => (options.spare ? undefined : this.#take(localpart, kind));
      return {
        deviceId: onlyDeviceId,
        registrationId: Number(device.registration_id),
        identityKey: bytes(device.identity_key),
        signedPrekey,
        prekey: take('ec'),
        kyber: take('kyber') ?? lastResort,
      };
    });
  }

  /** Remembers that `fetcher` has a bundle of `target`: from now on each is to hear of the other's new identity key. */
  noteFetch(fetcher: string, target: string): void {
    this.#store.db
      .prepare('INSERT OR IGNORE INTO fetches (fetcher, target) VALUES (?, ?)')
      .run(fetcher, target);
  }

  /** Localparts of those who hold a bundle of this account, or of whom it holds one: its contacts, each once. */
  listContacts(localpart: string): string[] {
    const query = this.#store.db.prepare(
      `SELECT fetcher AS contact FROM fetches WHERE target = ?1
       UNION SELECT target FROM fetches WHERE fetcher = ?1 ORDER BY contact`,
    );
    return query.all(localpart).map((row) => String(row.contact));
  }

  #findSigned(localpart: string, kind: SignedKind): SignedKey | undefined {
    const query = this.#store.db.prepare('SELECT * FROM signed_keys WHERE localpart = ? AND kind = ?');
    const row = query.get(localpart, kind);
    if (row === undefined) return undefined;
    return { id: Number(row.id), key: bytes(row.key), signature: bytes(row.signature) };
  }

  #take(localpart: string, kind: OneTimeKind): SignedKey | undefined {
    const row = this.#store.db
      .prepare(
        `SELECT id, key, signature FROM one_time_keys
         WHERE localpart = ? AND kind = ? AND key IS NOT NULL ORDER BY id LIMIT 1`,
      )
      .get(localpart, kind);
    if (row === undefined) return undefined;
    this.#store.db
      .prepare(
        'UPDATE one_time_keys SET key = NULL, signature = NULL WHERE localpart = ? AND kind = ? AND id = ?',
      )
      .run(localpart, kind, Number(row.id));
    return { id: Number(row.id), key: bytes(row.key), signature: bytes(row.signature ?? new Uint8Array()) };
  }
}

/**
 * How a proof token names an identity key (`cnf.signal_identity`): base64url SHA-256 of the 33 bytes.
 * @example
 * thumbprint(identityKey) // 43 characters
 */
export function thumbprint(identityKey: Uint8Array): string {
  return createHash('sha256').update(identityKey).digest('base64url');
}

function bytes(value: unknown): Uint8Array<ArrayBuffer> {
  if (!(value instanceof Uint8Array)) throw new TypeError('a key column holds no blob');
  return new Uint8Array(value);
}
