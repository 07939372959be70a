/**
 * The Application Service API that the homeserver calls. In the place of matrix-appservice's handler, which answers 200
 * before anything is handled, forgets all but the last transaction id, reads the bodies of strangers before it looks at
 * their token, compares that with `!==`, and says of rooms that it does not know that they exist.
 *
 * Everything is answered in JSON. What a transaction holds beside sound events is logged and left out, and the answer is
 * still 200: homeservers repeat a refused transaction for ever and send nothing after it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Log } from '../model/ambient.ts';
import { BridgeError, codeOf, hasCode } from '../model/errors.ts';
import { matrixErrors } from './errors.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type {
  AppserviceTransaction,
  MatrixMetrics,
  MatrixSettings,
  RoomEvent,
  TransactionSink,
} from './matrix.ts';
import { parseRoomEvent } from './room-event.ts';
import { TransactionOrder } from './transaction-order.ts';

export interface IntakeDeps {
  readonly settings: Pick<MatrixSettings, 'hsToken' | 'maxBodyBytes'>;
  readonly sink: TransactionSink;
  readonly log: Log;
  readonly metrics?: MatrixMetrics;
  /** Whether a user is the bot or a ghost by its spelling. */
  isOurs(user: string): boolean;
  /** The homeserver has called us to see whether it can (MSC2659). */
  onPing?(): void;
}

interface Answer {
  readonly status: number;
  readonly body: JsonObject | readonly JsonObject[];
  /** The rest of the request is not read. */
  readonly close?: boolean;
}

type Handler = (argument: string, request: IncomingMessage) => Answer | Promise<Answer>;

const refusal = (status: number, errcode: string, error: string): Answer => ({
  status,
  body: { errcode, error },
});
const DONE: Answer = { status: 200, body: {} };
const OUT_OF_TURN = refusal(503, 'M_UNKNOWN', 'One before it is missing');
const UNKNOWN_PATH = refusal(404, 'M_UNRECOGNIZED', 'No such endpoint');
const UNKNOWN_METHOD = refusal(405, 'M_UNRECOGNIZED', 'No such method here');
const NOT_OURS = refusal(404, 'M_NOT_FOUND', 'Not of this bridge');

export function createIntake(deps: IntakeDeps): RequestListener {
  const intake = new Intake(deps);
  return (request, response) => {
    intake.serve(request, response).catch((failure: unknown) => {
      // `serve` answers for every failure of its own: what is left is a response that could not be written.
      deps.log.debug('appservice request lost', {}, failure);
      response.destroy();
    });
  };
}

class Intake {
  readonly #deps: IntakeDeps;
  readonly #token: Buffer;
  /** Transactions being stored: a repeat that comes meanwhile waits for the same end. */
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #order = new TransactionOrder();

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#token = digest(deps.settings.hsToken);
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body, close } = await this.#answer(request);
    const text = JSON.stringify(body);
    response.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
      ...(close ? { Connection: 'close' } : {}),
    });
    response.end(text);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    try {
      // Cut by hand: URL throws on what a stranger may well send, such as `//`.
      const [pathname = '', query = ''] = (request.url ?? '').split('?', 2);
      // Before the body: who has no token gets none of our memory.
      const given = givenToken(request, query);
      if (given === undefined) {
        return { ...refusal(401, 'M_MISSING_TOKEN', 'No token'), close: true };
      }
      if (!timingSafeEqual(digest(given), this.#token)) {
        this.#deps.log.warn('appservice request with a wrong hs_token refused');
        return { ...refusal(403, 'M_FORBIDDEN', 'Bad token'), close: true };
      }
      return await this.#route(request, pathname);
    } catch (failure) {
      if (hasCode(failure, 'matrix/transactionTooLarge')) {
        this.#deps.log.warn('transaction above the limit refused', { code: failure.code, ...failure.facts });
        return { ...refusal(413, 'M_TOO_LARGE', 'Body above the limit of this bridge'), close: true };
      }
      this.#deps.log.error('appservice request failed', { code: codeOf(failure) }, failure);
      return refusal(500, 'M_UNKNOWN', 'Internal error');
    }
  }

  async #route(request: IncomingMessage, pathname: string): Promise<Answer> {
    const path = pathname.replace(/^\/_matrix\/app\/(v1|unstable)(?=\/)/, '');
    const [, kind = '', rest = ''] = /^\/([a-z]+)(?:\/(.*))?$/.exec(path) ?? [];
    const known = this.#handlers.get(kind);
    if (known === undefined) return UNKNOWN_PATH;
    const [method, handle] = known;
    if (request.method !== method) return UNKNOWN_METHOD;
    let argument: string;
    try {
      argument = decodeURIComponent(rest);
    } catch {
      /* a broken escape names nothing that exists */
      return NOT_OURS;
    }
    return await handle(argument, request);
  }

  readonly #handlers: ReadonlyMap<string, readonly [method: string, handle: Handler]> = new Map([
    ['transactions', ['PUT', (txnId, request) => this.#onTransaction(txnId, request)]],
    // The ghost may not be registered yet: it will be when somebody on the network is talked to.
    ['users', ['GET', (user) => (this.#deps.isOurs(user) ? DONE : NOT_OURS)]],
    // Portal rooms are invite-only: nobody gets one made by asking for its alias.
    ['rooms', ['GET', () => NOT_OURS]],
    ['ping', ['POST', (_, request) => this.#onPing(request)]],
    ['thirdparty', ['GET', (what) => (what.startsWith('protocol/') ? NOT_OURS : { status: 200, body: [] })]],
  ] as [string, [string, Handler]][]);

  async #onPing(request: IncomingMessage): Promise<Answer> {
    await readBody(request, this.#deps.settings.maxBodyBytes);
    this.#deps.onPing?.();
    return DONE;
  }

  async #onTransaction(txnId: string, request: IncomingMessage): Promise<Answer> {
    if (txnId === '' || txnId.length > 255) return refusal(400, 'M_INVALID_PARAM', 'Bad transaction id');
    const body = await readBody(request, this.#deps.settings.maxBodyBytes);
    if (body === undefined) return DONE;
    let json: unknown;
    try {
      json = JSON.parse(body.toString('utf8'));
    } catch (cause) {
      this.#refused('not JSON', cause);
      return refusal(400, 'M_NOT_JSON', 'Not JSON');
    }
    if (!isJsonObject(json) || !Array.isArray(json.events ?? [])) {
      this.#refused('no events');
      return refusal(400, 'M_BAD_JSON', 'Not a transaction');
    }
    if (!this.#order.takes(txnId)) {
      this.#deps.log.warn('transaction refused once: the homeserver has kept back one before it', { txnId });
      return OUT_OF_TURN;
    }
    await this.#store(txnId, json);
    return DONE;
  }

  #refused(reason: string, cause?: unknown): void {
    const error = matrixErrors.badTransaction({ reason });
    // The parser's own message quotes what it could not read, so it stays out of the log.
    const kind = cause instanceof Error ? cause.name : undefined;
    this.#deps.log.warn('malformed transaction refused', { code: error.code, reason, kind });
  }

  async #store(txnId: string, json: JsonObject): Promise<void> {
    const underWay = this.#underWay.get(txnId);
    if (underWay !== undefined) return await underWay;
    const storing = this.#deps.sink.store(this.#parse(txnId, json));
    this.#underWay.set(txnId, storing);
    try {
      await storing;
    } finally {
      this.#underWay.delete(txnId);
    }
  }

  #parse(txnId: string, json: JsonObject): AppserviceTransaction {
    const events: RoomEvent[] = [];
    for (const value of list(json.events)) {
      try {
        events.push(parseRoomEvent(value));
      } catch (failure) {
        if (!(failure instanceof BridgeError)) throw failure;
        this.#deps.metrics?.badEvent?.();
        this.#deps.log.warn('malformed event left out', { code: failure.code, ...failure.facts });
      }
    }
    return {
      txnId,
      events,
      // Synapse uses the first name for `receive_ephemeral`, the second for `de.sorunome.msc2409.push_ephemeral`.
      ephemeral: list(json.ephemeral ?? json['de.sorunome.msc2409.ephemeral']).filter(isJsonObject),
      toDevice: list(json.to_device ?? json['de.sorunome.msc2409.to_device']).filter(isJsonObject),
    };
  }
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

// The query is how homeservers told the token before version 1.4 of the specification.
function givenToken(request: IncomingMessage, query: string): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return new URLSearchParams(query).get('access_token') ?? undefined;
  return /^Bearer +(.*)$/i.exec(header)?.[1] ?? '';
}

/**
 * @returns `undefined` when the homeserver closed the connection: nobody waits for the answer.
 * @throws BridgeError `matrix/transactionTooLarge`.
 */
async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const tooLarge = () => matrixErrors.transactionTooLarge({ limit });
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const pieces: Buffer[] = [];
  let size = 0;
  return await new Promise((resolve, reject) => {
    request.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size > limit) {
        request.removeAllListeners('data').pause();
        reject(tooLarge());
      } else pieces.push(piece);
    });
    request.on('end', () => resolve(Buffer.concat(pieces)));
    request.on('error', () => resolve(undefined));
    request.on('close', () => resolve(undefined));
  });
}
