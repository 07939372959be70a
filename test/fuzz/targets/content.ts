/** The content inside the encryption: a contact's client wrote it, and it may be anything. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toEventContents } from '../../../src/matrix/content.ts';
import { createContentCodec } from '../../../src/network/interop/content.ts';
import { pad } from '../../../src/network/interop/padding.ts';
import { defineTarget, unlessRefused } from '../fuzz-target.ts';
import { wireInputs } from '../words/wire.ts';

interface Input {
  readonly hex: string;
  /** As `hex`, but that many times: a large message in a small fixture. */
  readonly times: number;
  /** What stands behind it instead of the right padding. */
  readonly badPadding?: string;
}

const inputs: fc.Arbitrary<Input> = fc.record(
  {
    hex: wireInputs(),
    times: fc.oneof(
      { weight: 200, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.constantFrom(2, 50, 4000) },
    ),
    badPadding: fc.constantFrom('', '80', '00', '8000', '800080', 'ff'.repeat(160), '00'.repeat(160)),
  },
  { requiredKeys: ['hex', 'times'], noNullPrototype: true },
);

/** Matrix specification, "Size limits"; what the homeserver adds takes the rest. */
const MAX_EVENT_BYTES = 60_000;

/** Refused with one code, or an event that can be written again as the same one and shown in Matrix. */
export const content = defineTarget<Input>({
  name: 'content',
  weight: 220,
  inputs,
  open: () => {
    const codec = createContentCodec();
    return {
      run: ({ hex, times, badPadding }) => {
        const wire = Buffer.from((hex + (badPadding ?? '')).repeat(times), 'hex');
        const event = unlessRefused('network/badContent', () =>
          codec.decode(badPadding === undefined ? pad(wire) : wire),
        );
        if (event === undefined) return;
        const parts = toEventContents(event.content, 'a note');
        for (const part of parts)
          assert.ok(Buffer.byteLength(JSON.stringify(part)) <= MAX_EVENT_BYTES, 'too large for Matrix');
        if (event.content.kind === 'unsupported') return;
        assert.deepStrictEqual(codec.decode(codec.encode(event)), event, 'written and read again');
        assert.ok(JSON.stringify(event).isWellFormed());
      },
    };
  },
});
