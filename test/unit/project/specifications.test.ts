import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sourcesOf } from './sources.ts';

type Row = Readonly<{ name: string; title: string; version: string; followed: string; note: string }>;

const [page] = sourcesOf('docs/specifications.md');
const rows = (page?.text ?? '').split('\n').flatMap((line): Row[] => {
  const cells = line.split('|').map((cell) => cell.trim());
  // `| number | title | version | followed | note |`, or without a number.
  if (cells.length < 6 || cells[1] === 'number' || cells[1] === 'title' || /^-+$/.test(cells[1] ?? ''))
    return [];
  const own = cells.length === 7 ? cells.slice(1, 6) : [cells[1], ...cells.slice(1, 5)];
  const [name = '', title = '', version = '', followed = '', note = ''] = own;
  return [{ name, title, version, followed, note }];
});
const numbered = rows.filter(({ name }) => /^(RFC |XEP-|MSC)\d+$/.test(name));
const source = sourcesOf('src/**/*.{ts,lua}');
const cited = citations();

/** `RFC 6120`, `XEP-0198`, `MSC2346`, also where they are part of an unstable name, with the files that cite them. */
function citations(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { file, text } of source) {
    for (const [, kind = '', number = ''] of text.matchAll(/(?<![a-z])(RFC|XEP|MSC)[ -]?(\d{4})(?!\d)/gi)) {
      const spaces: Readonly<Record<string, string>> = { RFC: 'RFC ', XEP: 'XEP-', MSC: 'MSC' };
      const name = `${spaces[kind.toUpperCase()]}${number}`;
      found.set(name, [...(found.get(name) ?? []), file]);
    }
  }
  return found;
}

describe('docs/specifications.md', () => {
  it('every specification that the code cites is listed', () => {
    assert.ok(cited.size >= 40, 'the scan still finds them');
    const listed = new Set(numbered.map(({ name }) => name));
    for (const [name, files] of cited) assert.ok(listed.has(name), `${name}, cited in ${files[0]}`);
  });

  it('every specification that is listed is cited, or not followed', () => {
    for (const { name, followed } of numbered) assert.ok(cited.has(name) || followed === 'no', name);
  });

  it('what bears no number is named in the code, too', () => {
    const all = source.map(({ text }) => text).join('\n');
    const aliases: Readonly<Record<string, string>> = {
      'The PQXDH Key Agreement Protocol': 'PQXDH',
      'The Double Ratchet Algorithm': 'ratchet',
      'The XEdDSA and VXEdDSA Signature Schemes': 'XEdDSA',
    };
    const others = rows.filter((row) => !numbered.includes(row));
    assert.ok(others.length >= 6);
    for (const { name } of others) assert.ok(all.includes(aliases[name] ?? name), name);
  });

  it('each is listed once, in order, with title, version, one of three words, and a note that ends', () => {
    const names = rows.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const kind of ['RFC', 'XEP', 'MSC']) {
      const of = names.filter((name) => name.startsWith(kind));
      assert.deepEqual(of, [...of].sort());
    }
    for (const { name, title, version, followed, note } of rows) {
      assert.ok(title !== '' && version !== '', name);
      assert.match(followed, /^(yes|partial|no)$/, name);
      assert.match(note, /^.+\.$/, name);
    }
  });

  it('what is not followed has no namespace in the code', () => {
    const namespaces = {
      'XEP-0191': 'urn:xmpp:blocking',
      'XEP-0377': 'urn:xmpp:reporting',
      'XEP-0313': 'urn:xmpp:mam',
    };
    for (const [name, namespace] of Object.entries(namespaces)) {
      const isThere = source.some(({ text }) => text.includes(namespace));
      assert.equal(numbered.find((row) => row.name === name)?.followed !== 'no', isThere, name);
    }
  });
});
