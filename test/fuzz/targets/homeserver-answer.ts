/** Answers of the homeserver, or of a proxy before it, over a real connection. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { MatrixSide } from '../../../src/matrix/matrix.ts';
import { contactId, eventId, matrixUserId, networkId, roomId } from '../../../src/model/ids.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { HostileServer } from '../../unit/network/interop/hostile-server.ts';
import { defineTarget, unlessRejected } from '../fuzz-target.ts';
import { type AnswerInput, hostileAnswers, toAnswer } from '../hostile-answers.ts';

const room = roomId('!r:m.example');
const user = matrixUserId('@alice:m.example');

const calls: Readonly<Record<string, (matrix: MatrixSide) => Promise<unknown>>> = {
  start: async (matrix) => await matrix.start(new AbortController().signal),
  ping: async (matrix) => await matrix.ping(),
  ghost: async (matrix) => await matrix.ensureGhost({ userId: ghostOf(matrix), displayName: 'Bob' }),
  name: async (matrix) => await matrix.getDisplayName(user),
  send: async (matrix) => {
    const wish = { room, as: matrix.botUserId, type: 'm.room.message', content: { body: 'x' }, txnId: '1' };
    assert.match(await matrix.send(wish), /^\$/);
  },
  state: async (matrix) => {
    const wish = { room, as: matrix.botUserId, type: 'a', stateKey: '', content: {} };
    assert.match(await matrix.sendState(wish), /^\$/);
  },
  redact: async (matrix) =>
    await matrix.redact({ room, as: matrix.botUserId, eventId: eventId('$a'), txnId: '1' }),
  management: async (matrix) => assert.match(await matrix.createManagementRoom(user), /^!/),
  portal: async (matrix) => {
    const info = { id: 'gk', displayname: 'GK' };
    const made = await matrix.createPortalRoom({
      aliasLocalpart: '_interop_1',
      ghost: ghostOf(matrix),
      invite: user,
      topic: 't',
      bridgeInfo: { protocol: info, network: info, channel: info },
    });
    assert.match(made, /^!/);
  },
  invite: async (matrix) => await matrix.invite({ room, as: matrix.botUserId, user }),
  join: async (matrix) => await matrix.join({ room, as: ghostOf(matrix) }),
  leave: async (matrix) => await matrix.leave({ room, as: matrix.botUserId }),
  pin: async (matrix) => await matrix.pin({ room, as: matrix.botUserId, eventId: eventId('$a') }),
  members: async (matrix) => await matrix.getMembers(room),
};

interface Input {
  readonly call: string;
  /** In order; the last one again and again. */
  readonly answers: readonly AnswerInput[];
}

const seeds = [
  '{"errcode":"M_UNKNOWN","error":"x"}',
  '{"event_id":"$a"}',
  '{"room_id":"!r:m.example","servers":["m.example"]}',
  '{"user_id":"@bridge:m.example","device_id":"DRAWBRIDGE"}',
  '{"joined":{"@alice:m.example":{"display_name":"Alice"},"@bridge:m.example":{}}}',
  '{"errcode":"M_LIMIT_EXCEEDED","error":"x","retry_after_ms":5}',
  '{"displayname":"Bob"}',
  '{"pinned":["$a","$b"]}',
  '{"users":{"@bridge:m.example":100},"users_default":0}',
  '{"versions":["v1.11"],"membership":"join"}',
  '{}',
];
const words = [
  ...[
    '"M_NOT_FOUND"',
    '"M_FORBIDDEN"',
    '"M_ROOM_IN_USE"',
    '"M_UNKNOWN_DEVICE"',
    '"M_USER_IN_USE"',
    '"M_UNKNOWN_TOKEN"',
  ],
  ...[
    '"M_UNRECOGNIZED"',
    '"M_BAD_STATUS"',
    '"M_TOO_LARGE"',
    '"errcode"',
    '"event_id"',
    '"room_id"',
    '"joined"',
    '"users"',
  ],
];
const inputs: fc.Arbitrary<Input> = fc.record(
  {
    call: fc.constantFrom(...Object.keys(calls)),
    answers: fc.array(hostileAnswers(seeds, words), { minLength: 1, maxLength: 4 }),
  },
  { noNullPrototype: true },
);

/** A `matrix/…` error or what the contract promises. */
export const homeserverAnswer = defineTarget<Input>({
  name: 'homeserver-answer',
  weight: 12,
  inputs,
  open: async () => {
    const server = await HostileServer.start();
    const log = new RecordingLog();
    // Here and not above: the library behind it takes a second to load, and the other targets do not need it.
    const { createMatrixSide } = await import('../../../src/matrix/matrix.ts');
    const matrix = createMatrixSide({
      settings: {
        homeserverUrl: server.url,
        domain: 'm.example',
        appserviceId: 'drawbridge',
        botLocalpart: 'bridge',
        botDisplayName: 'Bridge',
        ghostPrefix: '_interop_',
        asToken: 'as-token',
        hsToken: 'hs-token',
        maxBodyBytes: 1000,
        requestTimeoutMs: 5_000,
      },
      sink: { store: async () => undefined },
      // No wait between attempts; a deadline is the request's own.
      clock: { nowMs: () => Date.now(), sleep: async () => undefined },
      log,
    });
    return {
      run: async ({ call, answers }) => {
        server.seen.length = 0;
        log.entries.length = 0;
        const left = answers.map(toAnswer);
        server.answer = (response, request) =>
          ((left.length > 1 ? left.shift() : left[0]) ?? left[0])?.(response, request);
        await unlessRejected('matrix/', async () => await calls[call]?.(matrix));
      },
      close: async () => {
        await matrix.stop();
        await server[Symbol.asyncDispose]();
      },
    };
  },
});

function ghostOf(matrix: MatrixSide) {
  return matrix.ghostUserId(networkId('gk'), contactId('bob@gk.example'));
}
