import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sourcesOf } from './sources.ts';

const [page] = sourcesOf('docs/hostile-network.md');
/** Case and test file of each row of the tables. */
const rows = [...(page?.text ?? '').matchAll(/^\| (\d+\.\d+) \|.*\| `(test\/[^`]+)` \|$/gm)].map(
  ([, number = '', file = '']) => ({ number, file }),
);
/** The cases that the names of tests bear, by file. */
const named = new Map(
  sourcesOf('test/**/*.ts').map(({ file, text }) => [
    file,
    new Set([...text.matchAll(/\bcase (\d+\.\d+)(?!\d)/g)].map(([, number = '']) => number)),
  ]),
);

describe('docs/hostile-network.md', () => {
  it('every case has its own number and stands in its table', () => {
    const numbers = rows.map(({ number }) => number);
    assert.ok(numbers.length >= 50, 'the scan still finds them');
    assert.equal(new Set(numbers).size, numbers.length);
    const allRows = [...(page?.text ?? '').matchAll(/^\| \d/gm)];
    assert.equal(numbers.length, allRows.length, 'each row ends with one test file');
  });

  it('the test that is named beside a case bears its number', () => {
    for (const { number, file } of rows) {
      assert.ok(named.get(file)?.has(number), `no test in ${file} is named after case ${number}`);
    }
  });

  it('every case that a test is named after stands on the page', () => {
    const known = new Set(rows.map(({ number }) => number));
    for (const [file, numbers] of named) {
      for (const number of numbers) assert.ok(known.has(number), `case ${number} of ${file}`);
    }
  });
});
