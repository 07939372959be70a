/** The configuration file and the environment: the sample with mistakes, also those that nobody makes by accident. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { loadConfig } from '../../../src/config/config.ts';
import { faultLine } from '../../../src/config/fault.ts';
import { fallbackFree } from '../../unit/config/fallback-free.ts';
import { filledSample } from '../../unit/config/filled-sample.ts';
import { defineTarget } from '../fuzz-target.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';

interface Input {
  readonly text: Pieces;
  readonly environment: Readonly<Record<string, string>>;
}

const words: readonly string[] = [
  ...[
    'null',
    '~',
    'true',
    'yes',
    '0',
    '-1',
    '1e999',
    '.inf',
    '.nan',
    '0x10',
    '0o7',
    '65536',
    '2026-01-01',
    '""',
    "''",
  ],
  ...[
    '[]',
    '{}',
    '[a, b]',
    '{a: b}',
    '- a',
    '? {toString: 1}\n: x\n',
    '? [a]\n: x\n',
    '<<: *a',
    '&a',
    '*a',
    '&a [*a]',
  ],
  ...[
    '!!binary AA==',
    '!!set {a}',
    '!!timestamp 2026-01-01',
    '!!omap []',
    '!x y',
    '%YAML 1.1\n---\n',
    '---\n',
    '...\n',
  ],
  ...[
    '\n',
    '\n  ',
    '\n    ',
    '\t',
    ' ',
    ':',
    ': ',
    '#',
    ' # ',
    '|',
    '>-',
    '"',
    "'",
    '[',
    '{',
    ']',
    '}',
    ',',
    '@',
    '`',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'networks',
    'database',
    'listeners',
    'bridge',
    'uri',
  ],
  ...[
    'master_key_file: /nonexistent',
    'as_token_file: .',
    'CHANGE-ME',
    'example.com',
    'postgres://a:b@c/d',
    ':memory:',
  ],
  ...[
    'http://[::1',
    'https://a b/',
    '\u0000',
    '\ufeff',
    '\u2028',
    '😀',
    '\ud800',
    'gk',
    '"*"',
    '@a:b',
    'file:///x',
  ],
];
const names = [
  'DATABASE__URI',
  'DATABASE__TYPE',
  'LISTENERS',
  'NETWORKS__GK__API_URL',
  'APPSERVICE__AS_TOKEN',
  'BRIDGE__PERMISSIONS',
];

function inputs(): fc.Arbitrary<Input> {
  const sample = filledSample();
  const short = fallbackFree(sample);
  return fc.record(
    {
      // The long one seldom: it takes many times as long and has the same keys.
      text: mutated({ seeds: [short, short, short, short, short, sample], token: /[\w./@!*-]+/g, words }),
      environment: fc.dictionary(
        fc.constantFrom(...names).map((name) => `DRAWBRIDGE_${name}`),
        fc.constantFrom(...words),
        { maxKeys: 1, noNullPrototype: true },
      ),
    },
    { noNullPrototype: true },
  );
}

/** Loaded, or faults that a person can read: each in one line. */
export const config = defineTarget<Input>({
  name: 'config',
  weight: 12,
  inputs: inputs(),
  open: () => ({
    run: async ({ text, environment }) => {
      const result = await loadConfig({ file: '/nonexistent/config.yaml', text: joined(text), environment });
      if (result.kind === 'loaded') return;
      assert.ok(result.faults.length > 0, 'refused without a reason');
      for (const fault of result.faults) assert.match(faultLine(fault), /^[^\n]+$/u);
    },
  }),
});
