import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseCommandLine } from '../../../src/matrix/command-line.ts';

const anywhere = { prefix: '!bridge', prefixNeeded: true };
const management = { prefix: '!bridge', prefixNeeded: false };

describe('a command line', () => {
  const cases: [string, string, readonly string[]][] = [
    ['!bridge start-chat +49 170 1', 'start-chat', ['+49', '170', '1']],
    ['!bridge start-chat "+49 170 1"', 'start-chat', ['+49 170 1']],
    ['!Bridge HELP', 'help', []],
    ['!bridge', '', []],
    ['  !bridge\n\thelp  ', 'help', []],
    ["!bridge search O'Brien 'two words'", 'search', ["O'Brien", 'two words']],
    [
      '!bridge search “two words” „zwei Wörter“ «deux mots»',
      'search',
      ['two words', 'zwei Wörter', 'deux mots'],
    ],
    ['!bridge search "no end here', 'search', ['no end here']],
    ['!bridge search "" x', 'search', ['', 'x']],
  ];
  for (const [body, name, args] of cases) {
    it(`${JSON.stringify(body)} is ${name || 'the prefix alone'} with ${args.length} arguments`, () => {
      assert.deepEqual(parseCommandLine(body, anywhere), { name, args });
    });
  }

  it('without the prefix it is none, outside the management room', () => {
    for (const body of ['help', 'hello !bridge help', '!bridges help', '!', '']) {
      assert.equal(parseCommandLine(body, anywhere), undefined);
    }
  });

  it('in the management room it needs no prefix and may have one', () => {
    for (const body of ['status', '!bridge status']) {
      assert.deepEqual(parseCommandLine(body, management), { name: 'status', args: [] });
    }
  });

  it('any text has an end', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (body) => {
        assert.ok(parseCommandLine(body, management));
      }),
    );
    assert.equal(parseCommandLine('" '.repeat(50_000), management)?.args.length, 24_999);
  });
});
