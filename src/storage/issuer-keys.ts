/** Table `issuer_keys`: the keys that our proof tokens are signed with. The private half is sealed under the deployment's key. */
import type { Tx } from './database.ts';
import { storageErrors } from './errors.ts';
import { DEPLOYMENT_KEY, type Place, type Sealer } from './sealer.ts';

export type IssuerKeyRecord = Readonly<{
  /** RFC 7638 thumbprint of the public key. */
  kid: string;
  alg: 'ES256';
  /** The public JWK as JSON text. Told for people who read the table: what is published comes from the private key. */
  publicJwk: string;
  /** When it was published; epoch milliseconds, as the other times. */
  createdAtMs: number;
  /** From here on it signs, until another one does. */
  signsFromMs: number;
  /** When the next one takes over; `undefined` as long as there is no next one. */
  signsUntilMs: number | undefined;
}>;

/** A repository: works in the caller's transaction, and touches nothing else. */
export class IssuerKeys {
  readonly #sealer: Sealer;

  constructor(deps: { sealer: Sealer }) {
    this.#sealer = deps.sealer;
  }

  /**
   * Makes every other process that calls this wait until the transaction ends, so that one of them at a time reads the
   * keys and changes them. The row that it locks is the deployment's data key, which is there before any issuer's key.
   * @throws BridgeError `storage/rowMissing`: the sealer was never prepared.
   */
  async lock(tx: Tx): Promise<void> {
    const row: unknown = await tx('data_keys').where({ id: DEPLOYMENT_KEY }).forUpdate().first('id');
    if (row === undefined) throw storageErrors.rowMissing({ table: 'data_keys' });
  }

  /** All keys, the one that signs first before the others. Empty before the first start. */
  async list(tx: Tx): Promise<readonly IssuerKeyRecord[]> {
    const rows: Row[] = await tx<Row>('issuer_keys')
      .select('kid', 'alg', 'public_jwk', 'created_at_ms', 'signs_from_ms', 'signs_until_ms')
      .orderBy([{ column: 'signs_from_ms' }, { column: 'kid' }]);
    return rows.map(fromRow);
  }

  /**
   * @returns the private key as PKCS #8 in DER; the caller zeroes it.
   * @throws BridgeError `storage/rowMissing`, `storage/sealBroken`
   */
  async getPrivate(tx: Tx, kid: string): Promise<Buffer> {
    const row = await tx('issuer_keys').where({ kid }).first<{ sealed_private: Buffer } | undefined>();
    if (row === undefined) throw storageErrors.rowMissing({ table: 'issuer_keys' });
    return await this.#sealer.open(tx, DEPLOYMENT_KEY, privatePlace(kid), row.sealed_private);
  }

  /** @param privateKey PKCS #8 in DER. */
  async insert(tx: Tx, key: IssuerKeyRecord, privateKey: Uint8Array): Promise<void> {
    await tx<Row & { sealed_private: Buffer }>('issuer_keys').insert({
      kid: key.kid,
      alg: key.alg,
      public_jwk: key.publicJwk,
      sealed_private: await this.#sealer.seal(tx, DEPLOYMENT_KEY, privatePlace(key.kid), privateKey),
      created_at_ms: key.createdAtMs,
      signs_from_ms: key.signsFromMs,
      signs_until_ms: key.signsUntilMs ?? null,
    });
  }

  /** Says when the next key takes over from `kid`. */
  async saveSignsUntil(tx: Tx, kid: string, signsUntilMs: number): Promise<void> {
    await tx<Row>('issuer_keys').where({ kid }).update({ signs_until_ms: signsUntilMs });
  }

  /** Harmless when it is gone already. */
  async delete(tx: Tx, kid: string): Promise<void> {
    await tx<Row>('issuer_keys').where({ kid }).delete();
  }
}

type Row = {
  kid: string;
  alg: string;
  public_jwk: string;
  created_at_ms: number;
  signs_from_ms: number;
  signs_until_ms: number | null;
};

function fromRow(row: Row): IssuerKeyRecord {
  if (row.alg !== 'ES256') throw storageErrors.rowMissing({ table: 'issuer_keys', alg: row.alg });
  return {
    kid: row.kid,
    alg: row.alg,
    publicJwk: row.public_jwk,
    createdAtMs: row.created_at_ms,
    signsFromMs: row.signs_from_ms,
    signsUntilMs: row.signs_until_ms ?? undefined,
  };
}

function privatePlace(kid: string): Place {
  return { table: 'issuer_keys', column: 'sealed_private', row: kid };
}
