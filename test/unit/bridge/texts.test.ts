import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { Texts } from '../../../src/bridge/texts/texts.ts';
import { sourcesOf, withoutComments } from '../project/sources.ts';

const texts = new Texts();
const catalogues = sourcesOf('src/bridge/texts/*.ftl').map(({ file, text }) => ({
  file,
  messages: messagesOf(text),
}));
const english =
  catalogues.find(({ file }) => file.endsWith('/en.ftl'))?.messages ?? new Map<string, string>();
const core = sourcesOf('src/bridge/**/*.ts').map(({ file, text }) => ({ file, text: withoutComments(text) }));

/** Each text of a catalogue by its id: all that stands until the next one. */
function messagesOf(ftl: string): ReadonlyMap<string, string> {
  const messages = new Map<string, string>();
  let id: string | undefined;
  for (const line of ftl.split('\n')) {
    const begun = /^([a-z][\w-]*) =/.exec(line)?.[1];
    if (begun !== undefined) {
      assert.ok(!messages.has(begun), `${begun} stands there twice`);
      id = begun;
    } else if (!/^\s/.test(line)) id = undefined;
    if (id !== undefined) messages.set(id, `${messages.get(id) ?? ''}${line}\n`);
  }
  return messages;
}

function placeholdersOf(message: string): string[] {
  return [...new Set([...message.matchAll(/\$(\w+)/g)].map(([, name = '']) => name))].sort();
}

/** What stands between the brackets of a call, cut at the commas that are its own. */
function argumentsAt(text: string, from: number): string[] {
  const parts = [''];
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if ('([{'.includes(character)) depth += 1;
    if (')]}'.includes(character)) depth -= 1;
    if (depth < 0) break;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}

/** The ids of texts in an argument: a literal, or the outcomes of a choice; what is compared with is none. */
function idsIn(argument: string): string[] {
  return [...argument.replace(/[!=]== '[^']*'/g, '').matchAll(/'([a-z][\w-]*)'/g)].map(([, id = '']) => id);
}

type Use = Readonly<{ file: string; ids: readonly string[]; given: readonly string[] | undefined }>;

/** Each place where the core says a text. `given`: the arguments it names; `undefined` where they are put together elsewhere. */
function uses(): Use[] {
  const found: Use[] = [];
  for (const { file, text } of core) {
    const at = (pattern: RegExp, idAt: number, argsAt: number, always: readonly string[] = []) => {
      for (const match of text.matchAll(pattern)) {
        const parts = argumentsAt(text, match.index + match[0].length);
        const ids = idsIn(parts[idAt] ?? '');
        if (ids.length > 0) found.push({ file, ids, given: namesIn(text, parts[argsAt], always) });
      }
    };
    at(/\.say\(/g, 0, 1);
    at(/\.reply\(/g, 0, 1);
    at(/\brefused\(/g, 0, 1, ['network']);
    at(/\.tellUser\(/g, 2, 3);
    at(/\bsummary: /g, 0, 1);
  }
  return found;
}

/** The member names of an object literal, or of the constant that an identifier names in the same file. */
function namesIn(
  text: string,
  argument: string | undefined,
  always: readonly string[],
): string[] | undefined {
  if (argument === undefined || argument === '') return [...always];
  let literal = argument;
  if (/^\w+$/.test(argument))
    literal = new RegExp(`const ${argument} = (\\{.*?\\});`, 's').exec(text)?.[1] ?? '';
  if (!literal.startsWith('{') || literal.includes('...')) return undefined;
  const members = argumentsAt(literal, 1).filter((part) => part !== '');
  return [...always, ...members.map((member) => /^\w+/.exec(member)?.[0] ?? '')];
}

describe('the catalogues', () => {
  it('every language has the same texts with the same arguments and versions', () => {
    assert.ok(english.size > 50);
    for (const { file, messages } of catalogues) {
      assert.deepEqual([...messages.keys()].sort(), [...english.keys()].sort(), file);
      for (const [id, message] of messages) {
        assert.deepEqual(placeholdersOf(message), placeholdersOf(english.get(id) ?? ''), `${id} in ${file}`);
        const version = /^ {4}\.version = .*$/m;
        assert.equal(
          version.exec(message)?.[0],
          version.exec(english.get(id) ?? '')?.[0],
          `${id} in ${file}`,
        );
      }
    }
  });

  it('every text that the core names exists, and is given all of its arguments', () => {
    const found = uses();
    assert.ok(found.length >= 40, 'the scan still finds them');
    for (const { file, ids, given } of found) {
      for (const id of ids) {
        const message = english.get(id);
        assert.ok(message !== undefined, `${id}, named in ${file}`);
        if (given === undefined) continue;
        for (const needed of placeholdersOf(message)) {
          assert.ok(given.includes(needed), `${id} needs ${needed}, which ${file} does not give`);
        }
      }
    }
  });

  it('every text is said somewhere: by its name, or as a reason of a table of errors', () => {
    const all = core.map(({ text }) => text).join('\n');
    for (const id of english.keys()) {
      assert.ok(id.startsWith('reason-') || all.includes(`'${id}'`), `${id} is never said`);
    }
  });

  it('what people agree to has a version', () => {
    for (const id of ['opt-in-notice', 'opt-out-question', 'portal-notice', 'boundary-told-to-contact']) {
      assert.equal(texts.versioned(id, 'body').version, 1, id);
    }
  });

  it('no text shouts', () => {
    for (const [id, message] of english) assert.doesNotMatch(message.replace('!bridge', ''), /[a-z]!/i, id);
  });
});

describe('a text', () => {
  it('is said with its arguments as they are: nothing invisible is put around them', () => {
    assert.equal(
      texts.say('opt-in-done', { network: 'N', interop: '+1' }).includes('Your id there is +1.'),
      true,
    );
  });

  it('that does not exist, or that lacks an argument, is a fault with a code', () => {
    assert.throws(() => texts.say('no-such-text'), {
      code: 'bridge/badText',
      facts: { text: 'no-such-text', language: 'en' },
    });
    assert.throws(() => texts.say('opt-in-done', { network: 'N' }), { code: 'bridge/badText' });
    assert.equal(texts.has('no-such-text'), false);
    assert.equal(texts.has('opt-in-done'), true);
  });

  it('without a version cannot be agreed to', () => {
    assert.throws(() => texts.versioned('greeting', 'body'), { code: 'bridge/badText' });
    assert.throws(() => texts.versioned('no-such-text', 'body'), { code: 'bridge/badText' });
  });

  it('that is agreed to is named by the digest of all that was shown', () => {
    const shown = 'what really stood there';
    const { sha256, body, language, id } = texts.versioned('opt-in-notice', shown);
    assert.equal(sha256, createHash('sha256').update(shown).digest('hex'));
    assert.deepEqual({ body, language, id }, { body: shown, language: 'en', id: 'opt-in-notice' });
  });

  it('counts in the words of its language', () => {
    const say = (portals: number) => texts.say('opt-out-question', { network: 'N', portals });
    assert.match(say(0), /no rooms/);
    assert.match(say(1), /the link to 1 room\b/);
    assert.match(say(2), /the links to 2 rooms/);
  });
});
