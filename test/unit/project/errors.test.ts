import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { type ErrorTable, errorTables } from '../../../scripts/error-tables.ts';
import { Texts } from '../../../src/bridge/texts/texts.ts';
import { BridgeError, type ErrorFactory } from '../../../src/model/errors.ts';
import { ROOT, sourcesOf, withoutComments } from './sources.ts';

const tables = errorTables();
const codes = new Set(tables.flatMap(({ entries }) => entries.map(({ code }) => code)));
const code = sourcesOf('src/**/*.ts').map(({ file, text }) => ({ file, text: withoutComments(text) }));
const texts = new Texts();

async function factoriesOf(table: ErrorTable): Promise<Readonly<Record<string, ErrorFactory>>> {
  const module: Readonly<Record<string, unknown>> = await import(path.join(ROOT, table.file));
  return module[table.constant] as Readonly<Record<string, ErrorFactory>>;
}

/** Raised by its factory; by its name, where a table of the folder maps to it; or told as a code without being thrown. */
function isRaised(table: ErrorTable, name: string): boolean {
  const byFactory = new RegExp(`\\b${table.constant}\\.${name}\\b`);
  const byIndex = new RegExp(`\\b${table.constant}\\[`);
  const folder = path.dirname(table.file);
  return code.some(({ file, text }) => {
    if (byFactory.test(text) || isToldAsCode(text, `${table.folder}/${name}`)) return true;
    return path.dirname(file) === folder && byIndex.test(text) && text.includes(`'${name}'`);
  });
}

/** A comparison with a code raises nothing. */
function isToldAsCode(text: string, wanted: string): boolean {
  return text.split('\n').some((line) => line.includes(`'${wanted}'`) && !/hasCode\(|[!=]==/.test(line));
}

describe('the tables of errors', () => {
  it('all of them are read from the source, and as they are', async () => {
    const declared = code.filter(({ text }) => /= defineErrors\(/.test(text)).map(({ file }) => file);
    assert.deepEqual(tables.map(({ file }) => file).sort(), declared.sort());
    assert.ok(codes.size >= 80, 'the scan still finds them');
    for (const table of tables) {
      const factories = await factoriesOf(table);
      assert.deepEqual(
        Object.keys(factories),
        table.entries.map(({ name }) => name),
        table.file,
      );
      for (const entry of table.entries) {
        const failure = factories[entry.name]?.();
        assert.ok(failure instanceof BridgeError);
        const { code: is, retry, arrived, notice } = failure;
        const { meaning: _, name: _name, ...written } = entry;
        assert.deepEqual({ code: is, retry, arrived, notice }, written);
      }
    }
  });

  it('no two tables have one folder: a code means one thing', () => {
    assert.equal(new Set(tables.map(({ folder }) => folder)).size, tables.length);
  });

  for (const table of tables) {
    it(`${table.folder}: every code says what it means, in words that end`, () => {
      for (const { code: name, meaning } of table.entries) assert.match(meaning, /^.{10,}[.?]$/, name);
    });

    it(`${table.folder}: every code is raised somewhere`, () => {
      for (const { code: name, name: entry } of table.entries) assert.ok(isRaised(table, entry), name);
    });

    it(`${table.folder}: every code has words for people that need no more than code and network`, () => {
      for (const { code: name, notice } of table.entries) {
        const said = texts.say(`reason-${notice}`, { code: name, network: 'Gatekeeper' });
        assert.match(said, /^[A-Z].*\.$/, name);
      }
    });
  }

  it('every code that the code names is in a table', () => {
    const folders = tables.map(({ folder }) => folder).join('|');
    const named = new RegExp(`'((?:${folders})/[a-z][A-Za-z]*)'`, 'g');
    let seen = 0;
    for (const { file, text } of code) {
      for (const [, literal = ''] of text.replace(/^import.*$|\bfrom '.*$/gm, '').matchAll(named)) {
        seen += 1;
        assert.ok(codes.has(literal), `${literal} in ${file}`);
      }
    }
    assert.ok(seen >= 30);
  });

  it('every reason that people can read belongs to a table or is given by the core', () => {
    const notices = new Set(tables.flatMap(({ entries }) => entries.map(({ notice }) => `reason-${notice}`)));
    const core = code
      .filter(({ file }) => file.startsWith('src/bridge/'))
      .map(({ text }) => text)
      .join('\n');
    for (const { file, text } of sourcesOf('src/bridge/texts/*.ftl')) {
      for (const [, id = ''] of text.matchAll(/^(reason-[\w-]+) =/gm)) {
        assert.ok(notices.has(id) || core.includes(`'${id}'`), `${id} in ${file}`);
      }
    }
  });

  it('every code stands in the manual once', () => {
    const page = readFileSync(path.join(ROOT, 'docs/errors.md'), 'utf8');
    for (const wanted of codes) assert.equal(page.split(`| \`${wanted}\` |`).length, 2, wanted);
  });
});
