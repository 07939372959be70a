/**
 * Sealing: what stands in the database under a key that does not.
 *
 * master key (config) ── HKDF-SHA256 ──> wrapping key ── AES-256-GCM ──> data keys (table `data_keys`; one a deployment,
 * one an account) ── AES-256-GCM ──> sealed columns.
 *
 * A sealed value is: version (1 byte, 1) | nonce (12 bytes, random) | ciphertext | tag (16 bytes). Its associated data are
 * data key, table, column and row, so a value moved to another place does not open (NIST SP 800-38D). A data key seals
 * far fewer than the 2^32 values that random nonces allow.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { Clock, Random } from '../model/ambient.ts';
import type { Tx } from './database.ts';
import { storageErrors } from './errors.ts';

/** Names a data key: an account's, or the deployment's. */
export type DataKeyId = string & { readonly __dataKeyId: true };
/** The key for what belongs to no account: the issuer's keys, events of rooms that are no portal. */
export const DEPLOYMENT_KEY = 'deployment' as DataKeyId;

/** Where a sealed value stands. `row` is the row's own key as text. */
export type Place = Readonly<{ table: string; column: string; row: string }>;

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Unwrapped keys held in memory at once; the one unused for longest is zeroed and unwrapped again when needed. */
const CACHED_KEYS = 2_000;

export class Sealer {
  readonly #wrappingKey: Buffer;
  readonly #previousWrappingKey: Buffer | undefined;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #unwrapped = new Map<DataKeyId, Buffer>();

  /** @param masterKey 32 bytes; `previousMasterKey`: what the data keys may still be wrapped with, during a rotation. */
  constructor(deps: {
    masterKey: Buffer;
    previousMasterKey?: Buffer | undefined;
    random: Random;
    clock: Clock;
  }) {
    this.#wrappingKey = wrappingKeyFrom(deps.masterKey);
    this.#previousWrappingKey = deps.previousMasterKey && wrappingKeyFrom(deps.previousMasterKey);
    this.#random = deps.random;
    this.#clock = deps.clock;
  }

  /**
   * Makes the deployment's data key at the first start, checks at every later one that the master key fits, and wraps
   * all data keys with the present master key when a previous one is given.
   * @throws BridgeError `storage/wrongMasterKey`
   */
  async prepare(tx: Tx): Promise<void> {
    const row = await tx('data_keys').where({ id: DEPLOYMENT_KEY }).first<DataKeyRow | undefined>();
    if (row === undefined) {
      await this.createDataKey(tx, DEPLOYMENT_KEY);
      return;
    }
    this.#unwrap(row);
    if (this.#previousWrappingKey !== undefined) await this.#rewrapAll(tx);
  }

  /** Makes a data key. The caller stores `id` with what the key is for. */
  async createDataKey(tx: Tx, id: DataKeyId = this.#random.uuid() as DataKeyId): Promise<DataKeyId> {
    const key = this.#random.bytes(KEY_BYTES);
    const wrapped = this.#encrypt(this.#wrappingKey, wrapPlace(id), key);
    key.fill(0);
    await tx('data_keys').insert({ id, wrapped, created_at_ms: this.#clock.nowMs() });
    return id;
  }

  /** Destroys a data key: nothing that it sealed can be read again. Harmless when it is gone already. */
  async destroyDataKey(tx: Tx, id: DataKeyId): Promise<void> {
    await tx('data_keys').where({ id }).delete();
    this.#forget(id);
  }

  /** @throws BridgeError `storage/dataKeyDestroyed` */
  async seal(tx: Tx, id: DataKeyId, place: Place, plaintext: Uint8Array): Promise<Buffer> {
    return await this.#withKey(tx, id, (key) => this.#encrypt(key, associatedData(id, place), plaintext));
  }

  /** @throws BridgeError `storage/dataKeyDestroyed`, `storage/sealBroken` */
  async open(tx: Tx, id: DataKeyId, place: Place, sealed: Uint8Array): Promise<Buffer> {
    return await this.#withKey(tx, id, (key) => {
      try {
        return decrypt(key, associatedData(id, place), sealed);
      } catch (cause) {
        throw storageErrors.sealBroken({ table: place.table, column: place.column }, cause);
      }
    });
  }

  /**
   * A secret for keyed hashes, 32 bytes, the same as long as the data key lives (HKDF-SHA256 with the purpose as info).
   * @throws BridgeError `storage/dataKeyDestroyed`
   */
  async derive(tx: Tx, id: DataKeyId, purpose: string): Promise<Buffer> {
    return await this.#withKey(tx, id, (key) =>
      Buffer.from(hkdfSync('sha256', key, '', `drawbridge ${purpose} v1`, KEY_BYTES)),
    );
  }

  /** Zeroes every key in memory. The sealer is of no use afterwards. */
  close(): void {
    for (const id of [...this.#unwrapped.keys()]) this.#forget(id);
    this.#wrappingKey.fill(0);
    this.#previousWrappingKey?.fill(0);
  }

  /** `use` runs with no wait between it and the look-up, so that no key is zeroed while it is in use. */
  async #withKey(tx: Tx, id: DataKeyId, use: (key: Buffer) => Buffer): Promise<Buffer> {
    const cached = this.#unwrapped.get(id);
    if (cached !== undefined) {
      this.#unwrapped.delete(id);
      this.#unwrapped.set(id, cached);
      return use(cached);
    }
    const row = await tx('data_keys').where({ id }).first<DataKeyRow | undefined>();
    if (row === undefined) throw storageErrors.dataKeyDestroyed({ dataKey: id });
    const key = this.#unwrap(row);
    this.#forget(id);
    this.#unwrapped.set(id, key);
    const [oldest] = this.#unwrapped.keys();
    if (this.#unwrapped.size > CACHED_KEYS && oldest !== undefined) this.#forget(oldest);
    return use(key);
  }

  #forget(id: DataKeyId): void {
    this.#unwrapped.get(id)?.fill(0);
    this.#unwrapped.delete(id);
  }

  #unwrap(row: DataKeyRow): Buffer {
    const place = wrapPlace(row.id);
    for (const key of [this.#wrappingKey, this.#previousWrappingKey]) {
      if (key === undefined) continue;
      try {
        return decrypt(key, place, row.wrapped);
      } catch {
        /* wrapped with the other master key, or with neither: told below */
      }
    }
    throw storageErrors.wrongMasterKey({ dataKey: row.id });
  }

  async #rewrapAll(tx: Tx): Promise<void> {
    const rows = await tx('data_keys').select<DataKeyRow[]>('id', 'wrapped').forUpdate();
    for (const row of rows) {
      const key = this.#unwrap(row);
      const wrapped = this.#encrypt(this.#wrappingKey, wrapPlace(row.id), key);
      key.fill(0);
      await tx('data_keys').where({ id: row.id }).update({ wrapped });
    }
  }

  #encrypt(key: Buffer, aad: Buffer, plaintext: Uint8Array): Buffer {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
    return Buffer.concat([
      Buffer.of(VERSION),
      nonce,
      cipher.update(plaintext),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }
}

type DataKeyRow = { id: DataKeyId; wrapped: Buffer };

function wrappingKeyFrom(masterKey: Buffer): Buffer {
  if (masterKey.length !== KEY_BYTES) throw storageErrors.wrongMasterKey({ length: masterKey.length });
  return Buffer.from(hkdfSync('sha256', masterKey, '', 'drawbridge data key wrapping v1', KEY_BYTES));
}

function decrypt(key: Buffer, aad: Buffer, sealed: Uint8Array): Buffer {
  if (sealed.length < 1 + NONCE_BYTES + TAG_BYTES || sealed[0] !== VERSION) {
    throw new RangeError('not a sealed value of version 1');
  }
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const tag = sealed.subarray(sealed.length - TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(aad);
  decipher.setAuthTag(tag);
  const body = decipher.update(sealed.subarray(1 + NONCE_BYTES, sealed.length - TAG_BYTES));
  // GCM is a stream: the end adds no bytes, it only checks the tag. One copy of the plaintext, the caller's to zero.
  decipher.final();
  return body;
}

function wrapPlace(id: DataKeyId): Buffer {
  return associatedData(id, { table: 'data_keys', column: 'wrapped', row: id });
}

/** Length-prefixed, so that no two places give the same bytes. */
function associatedData(id: DataKeyId, place: Place): Buffer {
  const parts = [id, place.table, place.column, place.row].flatMap((text) => {
    const bytes = Buffer.from(text, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts);
}
