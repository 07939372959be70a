/**
 * What Signal encrypts: `Content` of `proto/interop.proto`, padded (docs/interop-profile.md §6). protobufjs reads the
 * schema file itself at start, so that no generated code can fall behind it.
 */
import path from 'node:path';
import protobuf from 'protobufjs';
import type { ChatEvent } from '../../model/chat-event.ts';
import { networkErrors } from '../errors.ts';
import type { ContentCodec } from '../network.ts';
import { contentBounds } from './content-bounds.ts';
import { fromWire } from './content-reader.ts';
import type { DecodedContent } from './content-wire.ts';
import { toWire } from './content-writer.ts';
import { pad, unpad } from './padding.ts';

/** Three levels up is the root both of a checkout and of a build, which mirrors it. */
const SCHEMA_FILE = path.join(import.meta.dirname, '../../../proto/interop.proto');
const MESSAGE_TYPE = 'drawbridge.interop.v1.Content';

/** Reads the schema from disk, once. @throws Error when the installation lacks it. */
export function createContentCodec(): ContentCodec {
  const type = protobuf.loadSync(SCHEMA_FILE).lookupType(MESSAGE_TYPE);
  return {
    encode: (event) => encode(type, event),
    decode: (padded) => decode(type, padded),
  };
}

function encode(type: protobuf.Type, event: ChatEvent): Uint8Array {
  const padded = pad(type.encode(type.create(toWire(event))).finish());
  if (padded.length > contentBounds.plaintextBytes) {
    throw networkErrors.tooLarge({ sizeBytes: padded.length, limitBytes: contentBounds.plaintextBytes });
  }
  return padded;
}

function decode(type: protobuf.Type, padded: Uint8Array): ChatEvent {
  if (padded.length > contentBounds.plaintextBytes) throw networkErrors.badContent({ why: 'too large' });
  const content = unpad(padded);
  if (content === undefined) throw networkErrors.badContent({ why: 'padding' });
  return fromWire(decodeWire(type, content));
}

function decodeWire(type: protobuf.Type, content: Uint8Array): DecodedContent {
  try {
    const reader = protobuf.Reader.create(content);
    // Unknown fields are ignored, and must not be carried along either.
    reader.discardUnknown = true;
    const options = { longs: Number, defaults: true, arrays: true, oneofs: true };
    return type.toObject(type.decode(reader), options) as DecodedContent;
  } catch (cause) {
    // protobufjs has no error type of its own: truncated, not UTF-8, nested past its limit.
    throw networkErrors.badContent({ why: 'not protobuf' }, cause);
  }
}
