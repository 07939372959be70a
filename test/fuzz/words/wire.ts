/** Protobuf on the wire: the messages of test/fixtures/content changed byte by byte, and fields made from the schema. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';

const FIXTURES = path.join(import.meta.dirname, '../../fixtures/content');
/** Larger ones would slow every run and say nothing that the small ones do not. */
const MAX_SEED_BYTES = 1_200;

const varints = [
  '00',
  '01',
  '7f',
  '8001',
  'ffffffff0f',
  'ffffffffffffffffff01',
  'ffffffffffffffffffff01',
  '80',
];
const fragments = [
  ...varints,
  ...[
    '0a10000102030405060708090a0b0c0d0e0f',
    '0a00',
    '0a0f',
    '10ffffffffffffffffff01',
    '1a00',
    '5200',
    '5a00',
  ],
  ...[
    '5203',
    '52020a00',
    '0a02c328',
    '0a03eda080',
    '0a04f09f9880',
    '7a12',
    '09000000000000f87f',
    '11000000000000f07f',
  ],
  ...[
    '00',
    '07',
    '0b',
    '0c',
    '0d',
    'ffffffff',
    '12ff01',
    'f2ff7f',
    'c23e',
    'fa0101',
    '0aff',
    '08',
    '1801',
    '2801',
  ],
];

/** Bytes as hexadecimal text. */
export function wireInputs(): fc.Arbitrary<string> {
  const seeds = readdirSync(FIXTURES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => readFileSync(path.join(FIXTURES, name, 'wire.hex'), 'utf8').replace(/\s/g, ''))
    .filter((hex) => hex.length <= 2 * MAX_SEED_BYTES);
  const change = fc.tuple(
    fc.constantFrom('replace', 'insert', 'delete', 'flip', 'cut', 'double', 'splice'),
    fc.nat(0xffff),
    fc.nat(40),
    fc.oneof(fc.constantFrom(...fragments), fc.uint8Array({ maxLength: 4 }).map(toHex), field),
    fc.nat(seeds.length - 1),
  );
  return fc
    .tuple(
      fc.oneof(
        fc.constantFrom(...seeds),
        fc.array(field, { maxLength: 5 }).map((all) => all.join('')),
      ),
      fc.array(change, { maxLength: 5 }),
    )
    .map(([seed, changes]) =>
      changes.reduce((hex, [operation, place, length, fragment, other]) => {
        const at = hex.length === 0 ? 0 : 2 * (place % (hex.length / 2));
        const end = at + 2 * length;
        const [before, taken, after] = [hex.slice(0, at), hex.slice(at, end), hex.slice(end)];
        switch (operation) {
          case 'replace':
            return before + fragment + hex.slice(at + fragment.length);
          case 'insert':
            return before + fragment + hex.slice(at);
          case 'delete':
            return before + after;
          case 'flip':
            return before + flipped(hex.slice(at, at + 2), place & 7) + hex.slice(at + 2);
          case 'cut':
            return before;
          case 'double':
            return before + taken + taken + after;
          default:
            return before + (seeds[other] ?? '') + hex.slice(at);
        }
      }, seed),
    );
}

const number = fc.oneof(fc.integer({ min: 1, max: 18 }), fc.constantFrom(0, 19, 2000, 0x1fff_ffff));
const text = fc.string({ unit: 'binary', maxLength: 20 }).map((value) => Buffer.from(value).toString('hex'));

/** A field of any number and type, three levels deep at most. */
const field: fc.Arbitrary<string> = fc.letrec<{ field: string }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.tuple(number, fc.constantFrom(...varints)).map(([at, value]) => tag(at, 0) + value),
    fc
      .tuple(number, fc.double())
      .map(([at, value]) => tag(at, 1) + toHex(new Uint8Array(new Float64Array([value]).buffer))),
    fc.tuple(number, text).map(([at, value]) => tag(at, 2) + sized(value)),
    fc.tuple(number, fc.constant('00'.repeat(16))).map(([at, value]) => tag(at, 2) + sized(value)),
    fc.tuple(number, fc.integer({ min: 3, max: 7 })).map(([at, type]) => tag(at, type)),
    fc
      .tuple(number, fc.array(tie('field'), { maxLength: 4 }))
      .map(([at, inside]) => tag(at, 2) + sized(inside.join(''))),
  ),
})).field;

function tag(at: number, type: number): string {
  return varint(at * 8 + type);
}

function sized(hex: string): string {
  return varint(hex.length / 2) + hex;
}

function varint(value: number): string {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return toHex(Uint8Array.from([...bytes, rest]));
}

function flipped(hex: string, bit: number): string {
  return toHex(Uint8Array.of(Number.parseInt(hex || '0', 16) ^ (1 << bit)));
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
