/**
 * What is kept, sealed, between decryption and delivery: the decrypted content with what its envelope said. Length-prefixed
 * JSON head, then the content as it came out of the session:
 * head length (4 bytes, big endian) | head (UTF-8 JSON) | padded content.
 */
import { type ContactId, contactId, type StanzaId, stanzaId } from '../model/ids.ts';

export type Journal = Readonly<{
  sender: ContactId;
  stanzaId: StanzaId;
  wantsReceipt: boolean;
  content: Buffer;
}>;

export function writeJournal(
  envelope: Readonly<{ sender: ContactId; stanzaId: StanzaId; wantsReceipt: boolean }>,
  content: Uint8Array,
): Buffer {
  const { sender, stanzaId: stanza, wantsReceipt } = envelope;
  const head = Buffer.from(JSON.stringify({ sender, stanza, wantsReceipt }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, content]);
}

/** Reads what `writeJournal` wrote; the seal around it has been checked already. */
export function parseJournal(bytes: Buffer): Journal {
  const end = 4 + bytes.readUInt32BE(0);
  const head = JSON.parse(bytes.toString('utf8', 4, end)) as {
    sender: string;
    stanza: string;
    wantsReceipt: boolean;
  };
  return {
    sender: contactId(head.sender),
    stanzaId: stanzaId(head.stanza),
    wantsReceipt: head.wantsReceipt,
    content: bytes.subarray(end),
  };
}
