/** One event of a transaction: any JSON, through every reader of events. */
import assert from 'node:assert/strict';
import type fc from 'fast-check';
import { answerOf } from '../../../src/bridge/answers.ts';
import { fromRoomEvent } from '../../../src/matrix/content.ts';
import { createGhostIds } from '../../../src/matrix/ghost-id.ts';
import type { MatrixMessage } from '../../../src/matrix/matrix.ts';
import { toProfileName } from '../../../src/matrix/profile-name.ts';
import { parseRoomEvent } from '../../../src/matrix/room-event.ts';
import type { ChatContent } from '../../../src/model/chat-event.ts';
import { messageId } from '../../../src/model/ids.ts';
import { createContentCodec } from '../../../src/network/interop/content.ts';
import type { ContentCodec } from '../../../src/network/network.ts';
import { defineTarget, unlessRefused } from '../fuzz-target.ts';
import { jsonToken } from '../words/json.ts';
import { eventSeeds, eventWords } from '../words/matrix.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';

const inputs: fc.Arbitrary<Pieces> = mutated({ seeds: eventSeeds, token: jsonToken, words: eventWords });
const ghosts = createGhostIds({ prefix: '_interop_', domain: 'm.example' });

/** Refused with one code; or stored as JSON it reads the same again, and nothing that is made of it throws. */
export const matrixEvent = defineTarget<Pieces>({
  name: 'matrix-event',
  weight: 200,
  inputs,
  open: () => {
    const codec = createContentCodec();
    return { run: (pieces) => check(jsonOf(joined(pieces)), codec) };
  },
});

/** Text that is no JSON is an event of its own kind: a string. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function check(value: unknown, codec: ContentCodec): void {
  const event = unlessRefused('matrix/badEvent', () => parseRoomEvent(value));
  if (event === undefined) return;
  const stored = JSON.stringify(event);
  assert.equal(JSON.stringify(parseRoomEvent(JSON.parse(stored))), stored, 'stored and read again');
  answerOf(event, '$q');
  const ghost = ghosts.parse(event.state_key ?? event.sender);
  if (ghost !== undefined)
    assert.equal(ghosts.toUserId(ghost.network, ghost.contact), event.state_key ?? event.sender);
  const { body, displayname } = event.content;
  for (const name of [body, displayname])
    if (typeof name === 'string') assert.ok(toProfileName(name).isWellFormed());
  const message = fromRoomEvent(event);
  if (message === undefined || message.content.kind === 'unsupported') return;
  const head = { id: messageId('0'.repeat(32)), sentAtMs: 1, expiresInS: 0 };
  const content = contentOf(message.content);
  const wire = unlessRefused('network/', () => codec.encode({ ...head, content }));
  if (wire !== undefined) assert.deepEqual(codec.decode(wire).content, content, 'crosses unchanged');
}

/** With the ids that the core would put in the place of the events'. */
function contentOf(content: MatrixMessage['content']): ChatContent {
  const target = messageId('1'.repeat(32));
  switch (content.kind) {
    case 'replacement':
      return { kind: 'edit', target, body: content.body, ranges: content.ranges };
    case 'annotation':
      return { kind: 'reaction', target, targetIsOwn: false, emoji: content.emoji, remove: false };
    case 'redaction':
      return { kind: 'revoke', target };
    case 'attachment': {
      const { source: _, caption, ...file } = content;
      const hosted = { url: 'https://b.example/1', key: new Uint8Array(64), digest: new Uint8Array(32) };
      const words = caption === undefined ? {} : { caption };
      return { ...file, ...hosted, ...words, kind: 'media', inlineThumbnail: new Uint8Array() };
    }
    default:
      return content;
  }
}
