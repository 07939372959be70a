/**
 * What Signal encrypts, on the phone's side: `Content` of proto/interop.proto by reflection, and its padding
 * (docs/interop-profile.md, section 6).
 */
import { join } from 'node:path';
import protobuf from 'protobufjs';

import { phoneErrors } from './phone-errors.ts';

/** A text with its styles. `start` and `length` count Unicode code points; a `start` that is absent is 0. */
export interface TextBody {
  readonly body: string;
  readonly ranges?: readonly {
    readonly start?: number;
    readonly length: number;
    readonly style: string;
    readonly value?: string;
  }[];
}

export interface BoundaryNotice {
  readonly operatorName: string;
  readonly operatorContact: string;
  readonly mode: string;
  readonly text: string;
}

/** A body as the schema has it; fields that are not set are absent. Enumerations are their names. */
export interface ContentBody {
  readonly text?: TextBody;
  readonly media?: Readonly<Record<string, unknown>>;
  readonly reaction?: Readonly<Record<string, unknown>>;
  readonly edit?: Readonly<Record<string, unknown>>;
  readonly revoke?: Readonly<Record<string, unknown>>;
  readonly location?: Readonly<Record<string, unknown>>;
  readonly contactCard?: Readonly<Record<string, unknown>>;
  readonly boundaryNotice?: BoundaryNotice;
  readonly reply?: { readonly target: Uint8Array; readonly targetIsOwn?: boolean; readonly excerpt?: string };
  readonly expiresInS?: number;
}

export interface Content extends ContentBody {
  /** 16 bytes. */
  readonly id: Uint8Array;
  /** Epoch milliseconds, by the sender's clock. */
  readonly sentAtMs: number;
  /** Which of the bodies is set; absent for one that this schema does not know. */
  readonly body?: string;
}

const blockBytes = 160;
const endMark = 0x80;
const maxPaddedBytes = 256 * 1024;

/** Encodes and decodes `Content`; one a process is enough. */
export class ContentCodec {
  readonly #type: protobuf.Type;

  constructor() {
    const root = protobuf.loadSync(join(import.meta.dirname, '../../../proto/interop.proto'));
    this.#type = root.lookupType('drawbridge.interop.v1.Content');
  }

  /** The bytes to encrypt, padded. @throws BridgeError `sandbox-phone/badContent` for an id that has not 16 bytes. */
  encode(content: Content): Uint8Array<ArrayBuffer> {
    if (content.id.length !== 16) throw phoneErrors.badContent({ reason: 'id' });
    const { body: _, ...fields } = content;
    return pad(this.#type.encode(this.#type.fromObject(fields)).finish());
  }

  /** @throws BridgeError `sandbox-phone/badContent`. */
  decode(padded: Uint8Array): Content {
    const bytes = unpad(padded);
    let content: Record<string, unknown>;
    try {
      const message = this.#type.decode(bytes);
      content = this.#type.toObject(message, { longs: Number, enums: String, oneofs: true });
    } catch (failure) {
      throw phoneErrors.badContent({ reason: 'protobuf' }, failure);
    }
    const { id } = content;
    if (!(id instanceof Uint8Array) || id.length !== 16) throw phoneErrors.badContent({ reason: 'id' });
    return { ...content, id, sentAtMs: Number(content.sentAtMs ?? 0) };
  }
}

/**
 * ISO/IEC 7816-4: one byte 0x80, then zeros up to a multiple of 160.
 * @example
 * pad(new Uint8Array(160)).length // 320
 */
export function pad(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(Math.ceil((plain.length + 1) / blockBytes) * blockBytes);
  padded.set(plain);
  padded[plain.length] = endMark;
  return padded;
}

/** @throws BridgeError `sandbox-phone/badContent` when length or end mark are wrong. */
export function unpad(padded: Uint8Array): Uint8Array {
  if (padded.length === 0 || padded.length % blockBytes !== 0 || padded.length > maxPaddedBytes) {
    throw phoneErrors.badContent({ reason: 'padded length' });
  }
  const end = padded.findLastIndex((byte) => byte !== 0);
  if (end < 0 || padded[end] !== endMark || padded.length - end > blockBytes) {
    throw phoneErrors.badContent({ reason: 'padding' });
  }
  return padded.subarray(0, end);
}
