/** The issuer's keys in this process: read from the table, rotated in it, and handed out for signing and publishing. */
import type { Clock, Log } from '../model/ambient.ts';
import type { Database, IssuerKeyRecord, IssuerKeys, Tx } from '../storage/storage.ts';
import { identityErrors } from './errors.ts';
import { generateIssuerKeyPair, type IssuerKeyPair, loadIssuerKeyPair, privateKeyBytes } from './key-pair.ts';
import { knownUntilMs, planRotation, type RotationPlan, type RotationRules, signerAt } from './rotation.ts';

type LoadedKey = Readonly<{ kid: string; signsFromMs: number; pair: IssuerKeyPair }>;
type KeyPlan = RotationPlan<IssuerKeyRecord>;
type Reading = Readonly<{ readAtMs: number; loaded: readonly LoadedKey[]; plan: KeyPlan }>;

export class SigningKeys {
  readonly #database: Pick<Database, 'transaction'>;
  readonly #table: IssuerKeys;
  readonly #rules: RotationRules;
  readonly #clock: Clock;
  readonly #log: Log;
  #loaded: readonly LoadedKey[] = [];
  #readAtMs: number | undefined;
  #refreshing: Promise<void> | undefined;

  constructor(deps: {
    database: Pick<Database, 'transaction'>;
    table: IssuerKeys;
    rules: RotationRules;
    clock: Clock;
    log: Log;
  }) {
    this.#database = deps.database;
    this.#table = deps.table;
    this.#rules = deps.rules;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /**
   * Reads the keys, and makes or deletes what the rotation asks for. Calls at the same time share one run; other
   * processes wait in the database, and find the work done.
   * @throws BridgeError `identity/keysUnavailable`: what was loaded before stays in use as long as it may.
   */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /**
   * The key to sign with now.
   * @throws BridgeError `identity/keysUnavailable`: another process may have rotated, and the table cannot be read.
   */
  async signer(): Promise<IssuerKeyPair> {
    await this.#ensureFresh();
    const signer = signerAt(this.#loaded, this.#clock.nowMs());
    if (signer === undefined) throw identityErrors.keysUnavailable();
    return signer.pair;
  }

  /**
   * Every key that a token may be signed with that is valid now or within the next `freshForMs` milliseconds.
   * @throws BridgeError `identity/keysUnavailable`: no JWKS at all is better than one without a key that signs.
   */
  async published(): Promise<Readonly<{ pairs: readonly IssuerKeyPair[]; freshForMs: number }>> {
    await this.#ensureFresh();
    return { pairs: this.#loaded.map((key) => key.pair), freshForMs: this.freshForMs() };
  }

  /** How long what is loaded is known to be all that matters; zero when it may not be so any more. */
  freshForMs(): number {
    if (this.#readAtMs === undefined) return 0;
    const nowMs = this.#clock.nowMs();
    // Read in the future: the clock was set back, and nothing is known about the age.
    if (nowMs < this.#readAtMs) return 0;
    return Math.max(0, knownUntilMs(this.#readAtMs, this.#rules) - nowMs);
  }

  /** Forgets the keys. */
  clear(): void {
    this.#loaded = [];
    this.#readAtMs = undefined;
  }

  async #ensureFresh(): Promise<void> {
    if (this.freshForMs() <= 0) await this.refresh();
  }

  async #refresh(): Promise<void> {
    try {
      const { readAtMs, loaded, plan } = await this.#database.transaction(
        async (tx) => await this.#rotate(tx),
      );
      this.#loaded = loaded;
      this.#readAtMs = readAtMs;
      this.#tell(plan);
    } catch (cause) {
      throw identityErrors.keysUnavailable({}, cause);
    }
  }

  async #rotate(tx: Tx): Promise<Reading> {
    await this.#table.lock(tx);
    // Only now: waiting for the lock must not eat into the time that a new key is published before it signs.
    const nowMs = this.#clock.nowMs();
    const plan = planRotation(await this.#table.list(tx), nowMs, this.#rules);
    if (plan.publish !== undefined) await this.#publish(tx, nowMs, plan.publish);
    for (const { kid } of plan.drop) await this.#table.delete(tx, kid);
    const loaded: LoadedKey[] = [];
    for (const { kid, signsFromMs } of await this.#table.list(tx)) {
      loaded.push({ kid, signsFromMs, pair: await this.#load(tx, kid) });
    }
    return { readAtMs: nowMs, loaded, plan };
  }

  async #publish(tx: Tx, nowMs: number, next: NonNullable<KeyPlan['publish']>): Promise<void> {
    const pair = await generateIssuerKeyPair();
    const bytes = privateKeyBytes(pair);
    const record: IssuerKeyRecord = {
      kid: pair.kid,
      alg: 'ES256',
      publicJwk: JSON.stringify(pair.publicJwk),
      createdAtMs: nowMs,
      signsFromMs: next.signsFromMs,
      signsUntilMs: undefined,
    };
    try {
      await this.#table.insert(tx, record, bytes);
    } finally {
      bytes.fill(0);
    }
    if (next.after !== undefined) await this.#table.saveSignsUntil(tx, next.after.kid, next.signsFromMs);
  }

  async #load(tx: Tx, kid: string): Promise<IssuerKeyPair> {
    const known = this.#loaded.find((key) => key.kid === kid);
    return known?.pair ?? (await loadIssuerKeyPair(kid, await this.#table.getPrivate(tx, kid)));
  }

  #tell(plan: KeyPlan): void {
    if (plan.publish !== undefined) {
      const signsFrom = new Date(plan.publish.signsFromMs).toISOString();
      this.#log.info('issuer key published', { signs_from: signsFrom });
    }
    for (const { kid } of plan.drop) this.#log.info('issuer key dropped', { kid });
  }
}
