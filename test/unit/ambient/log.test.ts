import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, type LogSettings } from '../../../src/ambient/log.ts';
import { defineErrors } from '../../../src/model/errors.ts';

const errors = defineErrors('probe', { broken: { retry: 'never', arrived: 'no', notice: 'internal' } });

function recorder(settings: Partial<LogSettings> = {}) {
  const lines: string[] = [];
  const log = createLog({
    level: 'info',
    format: 'json',
    contactIds: 'redacted',
    destination: { write: (line) => void lines.push(line) },
    ...settings,
  });
  return { log, lines, entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test('a line has time, level, message and the facts', () => {
  const { log, entries } = recorder();
  log.info('stanza stored', { account: 'a1', bytes: 12 });
  const [entry] = entries();
  assert.match(String(entry?.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(
    { ...entry, time: '' },
    { level: 'info', time: '', account: 'a1', bytes: 12, msg: 'stanza stored' },
  );
});

test('each level is written under its name, and nothing below the configured one', () => {
  const { log, entries } = recorder({ level: 'warn' });
  log.debug('d');
  log.info('i');
  log.warn('w');
  log.error('e');
  assert.deepEqual(
    entries().map((entry) => [entry.level, entry.msg]),
    [
      ['warn', 'w'],
      ['error', 'e'],
    ],
  );
});

test('a child hands its facts down, and a later fact of the same name stands once', () => {
  const { log, lines, entries } = recorder();
  log.child({ account: 'a1', step: 1 }).child({ portal: 'p1' }).info('moved', { step: 2 });
  const { account, portal, step } = entries()[0] ?? {};
  assert.deepEqual({ account, portal, step }, { account: 'a1', portal: 'p1', step: 2 });
  assert.equal(lines[0]?.match(/"step"/g)?.length, 1);
});

test('a fact cannot take the place of time, level or message', () => {
  const { log, entries } = recorder();
  log.info('real', { msg: 'forged', level: 'error', time: 'never' });
  assert.equal(entries()[0]?.msg, 'real');
  assert.equal(entries()[0]?.level, 'info');
  assert.equal(entries()[0]?.msg_, 'forged');
});

test('contacts are marked in facts of children too, unless plain ids are asked for', () => {
  const redacted = recorder();
  redacted.log.child({ contact: 'bob@gk.example' }).info('told', { ghost: '@_interop_wa_bob:hs.example' });
  assert.doesNotMatch(redacted.lines.join(''), /bob/);
  const plain = recorder({ contactIds: 'plain' });
  plain.log.child({ contact: 'bob@gk.example' }).info('told');
  assert.equal(plain.entries()[0]?.contact, 'bob@gk.example');
});

test('our own failure is told by code and the chain of messages', () => {
  const { log, entries } = recorder();
  const socket = Object.assign(new Error('connect to bob@gk.example with hunter2'), { code: 'ECONNREFUSED' });
  log.warn('step failed', {}, errors.broken({ account: 'a1' }, errors.broken({}, socket)));
  assert.equal(entries()[0]?.code, 'probe/broken');
  assert.deepEqual(entries()[0]?.causes, ['probe/broken (account=a1)', 'probe/broken', 'Error ECONNREFUSED']);
});

test('a foreign failure is told by name and code; its words and stack only at debug', () => {
  const failure = new TypeError('cannot parse "hunter2"', { cause: 'hunter2' });
  const info = recorder();
  info.log.error('step failed', {}, failure);
  assert.equal(info.entries()[0]?.code, 'internal/unexpected');
  assert.deepEqual(info.entries()[0]?.causes, ['TypeError', '[string]']);
  assert.doesNotMatch(info.lines.join(''), /hunter2/);
  const debug = recorder({ level: 'debug' });
  debug.log.error('step failed', {}, failure);
  assert.match(String(debug.entries()[0]?.stack), /cannot parse "hunter2"[\s\S]*log\.test/);
});

test('contacts and tokens are taken out of causes and stacks', () => {
  const { log, lines } = recorder({ level: 'debug' });
  log.error('failed', {}, errors.broken({ contact: 'bob@gk.example' }, new Error('Bearer c2lnbmF0dXJl')));
  assert.doesNotMatch(lines.join(''), /bob@|c2lnbmF0dXJl/);
});

test('an endless chain of causes is cut, and several attempts are told by the first', () => {
  const { log, entries } = recorder();
  const circle = new Error('a');
  circle.cause = new Error('b', { cause: circle });
  log.error('failed', {}, circle);
  log.error('failed', {}, new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]));
  assert.deepEqual(
    entries().map((entry) => entry.causes),
    [
      ['Error', 'Error'],
      ['AggregateError', 'Error ECONNREFUSED'],
    ],
  );
});

test('a cause of null or of a strange kind is no failure of the log', () => {
  const { log, entries } = recorder();
  for (const cause of [null, 0, 'text', Symbol('s'), { a: 1 }]) log.error('failed', {}, cause);
  assert.equal(entries().length, 5);
});

test('a pretty line is one line for people, with facts behind the message', () => {
  const { log, lines } = recorder({ format: 'pretty' });
  log.warn('link lost', { account: 'a1', why: 'no answer', ids: ['x', 1] });
  assert.match(
    lines[0] ?? '',
    /^\d{4}-\d\d-\d\d [\d:.]{12} WARN {2}link lost {2}account=a1 {2}why="no answer" {2}ids=\["x",1\]\n$/,
  );
});

test('text of a peer cannot begin a line of its own or steer the terminal in a pretty log', () => {
  const { log, lines } = recorder({ format: 'pretty', level: 'debug' });
  log.warn('odd', { name: 'a\nERROR forged\u001b[31m\u202e' }, new Error('b\r\u001b[2J'));
  const text = lines.join('');
  assert.equal(
    text.split('\n').filter((row) => /^\d{4}|^ {4}/.test(row)).length,
    text.trimEnd().split('\n').length,
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.doesNotMatch(text, /[\u001b\r\u202e]/);
});
