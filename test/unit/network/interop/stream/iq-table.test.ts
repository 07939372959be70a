import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemRandom } from '../../../../../src/ambient/random.ts';
import { hasCode } from '../../../../../src/model/errors.ts';
import { streamErrors } from '../../../../../src/network/interop/stream/errors.ts';
import { IqTable } from '../../../../../src/network/interop/stream/iq-table.ts';
import { readStanza, writeStanza } from '../../../../../src/network/interop/stream/stanza-xml.ts';
import { heldClock } from '../../../../doubles/held-clock.ts';

const own = 'me@gk.test';
/** The test has another way to see what came of it. */
const ignore = () => undefined;

function world() {
  const clock = heldClock();
  const table = new IqTable({ clock, random: systemRandom, ownBareJid: own });
  const ids: string[] = [];
  const ask = (to: string, signal?: AbortSignal) => {
    const answer = table.ask({ to, timeoutMs: 1000, signal }, async (id) => {
      ids.push(id);
    });
    answer.catch(ignore);
    return answer;
  };
  const settle = (attributes: string, inside = '') =>
    table.settle(readStanza(`<iq ${attributes}>${inside}</iq>`));
  return { clock, table, ids, ask, settle };
}

const failsWith = (code: string) => (failure: unknown) => hasCode(failure, code);

describe('our own iq requests', () => {
  it('have random ids of 128 bits', () => {
    const { ids, ask } = world();
    for (let index = 0; index < 50; index += 1) ask('gk.test').catch(ignore);
    assert.equal(new Set(ids).size, 50);
    for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  });

  it('take the payload of the result, and nothing of an empty one', async () => {
    const { ids, ask, settle } = world();
    const first = ask('keys.gk.test');
    assert.equal(
      settle(`type="result" id="${ids[0]}" from="keys.gk.test"`, '<a xmlns="urn:a" b="1"/>'),
      'taken',
    );
    const payload = await first;
    assert(payload !== undefined);
    assert.equal(writeStanza(payload), '<a xmlns="urn:a" b="1"/>');
    const second = ask('gk.test');
    settle(`type="result" id="${ids[1]}" from="gk.test"`);
    assert.equal(await second, undefined);
  });

  it('are not settled by another than the one asked, whatever the id (case 2.8)', async () => {
    const { ids, ask, settle } = world();
    const answer = ask('keys.gk.test');
    const forgers = [
      'from="mallory@gk.test/x"',
      'from="gk.test"',
      `from="${own}"`,
      'from="keys.gk.test/x"',
      'from=""',
      '',
    ];
    for (const from of forgers) {
      assert.equal(settle(`type="result" id="${ids[0]}" ${from}`, '<evil xmlns="urn:a"/>'), 'forged', from);
      assert.equal(settle(`type="error" id="${ids[0]}" ${from}`), 'forged', from);
    }
    settle(`type="result" id="${ids[0]}" from="KEYS.gk.test"`, '<good xmlns="urn:a"/>');
    assert.equal((await answer)?.name, 'good');
  });

  it('to our own account may be answered without from (RFC 6120 §8.1.2.1), or by it, by nobody else', async () => {
    for (const from of ['', `from="${own}"`]) {
      const { ids, ask, settle } = world();
      const answer = ask(own);
      assert.equal(settle(`type="result" id="${ids[0]}" from="gk.test"`), 'forged');
      assert.equal(settle(`type="result" id="${ids[0]}" from="${own}/other"`), 'forged');
      assert.equal(settle(`type="result" id="${ids[0]}" ${from}`), 'taken');
      await answer;
    }
  });

  it('are settled once (case 4.3)', async () => {
    const { ids, ask, settle } = world();
    const answer = ask('gk.test');
    assert.equal(settle(`type="result" id="${ids[0]}" from="gk.test"`), 'taken');
    assert.equal(settle(`type="result" id="${ids[0]}" from="gk.test"`), 'unknown');
    await answer;
    assert.equal(settle('type="result" id="x" from="gk.test"'), 'unknown');
    assert.equal(settle('type="result" from="gk.test"'), 'unknown');
  });

  it('tell an error by its condition and type, in defined words only', async () => {
    const { ids, ask, settle } = world();
    const refused = ask('gk.test');
    const condition = '<item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>';
    settle(
      `type="error" id="${ids[0]}" from="gk.test"`,
      `<error type="cancel"><x xmlns="urn:x"/>${condition}</error>`,
    );
    await assert.rejects(refused, {
      code: 'stream/queryRefused',
      facts: { condition: 'item-not-found', type: 'cancel' },
    });
    const deferred = ask('gk.test');
    settle(`type="error" id="${ids[1]}" from="gk.test"`, '<error type="wait"/>');
    await assert.rejects(deferred, failsWith('stream/queryDeferred'));
    const odd = ask('gk.test');
    settle(`type="error" id="${ids[2]}" from="gk.test"`, '<error type="A secret text!"/>');
    await assert.rejects(odd, { facts: { condition: 'undefined-condition', type: 'cancel' } });
  });

  it('have a deadline', async () => {
    const { clock, table, ask } = world();
    const answer = ask('gk.test');
    clock.advance(1000);
    await assert.rejects(answer, failsWith('stream/timeout'));
    assert.equal(table.size, 0);
  });

  it('can be called off', async () => {
    const { table, ask } = world();
    const abort = new AbortController();
    const answer = ask('gk.test', abort.signal);
    abort.abort(new Error('enough'));
    await assert.rejects(answer, /enough/);
    assert.equal(table.size, 0);
    await assert.rejects(ask('gk.test', abort.signal), /enough/);
  });

  it('all fail when the stream is lost', async () => {
    const { table, ask } = world();
    const answers = [ask('gk.test'), ask(own)];
    table.rejectAll(streamErrors.lost());
    for (const answer of answers) await assert.rejects(answer, failsWith('stream/lost'));
  });

  it('are bounded in number (case 4.3)', async () => {
    const { ask } = world();
    for (let index = 0; index < 256; index += 1) ask('gk.test').catch(ignore);
    await assert.rejects(ask('gk.test'), failsWith('stream/tooManyQueries'));
  });

  it('fail with what sending fails with', async () => {
    const { table } = world();
    const request = { to: 'gk.test', timeoutMs: 1000, signal: undefined };
    await assert.rejects(
      table.ask(request, async () => Promise.reject(streamErrors.offline())),
      failsWith('stream/offline'),
    );
    assert.equal(table.size, 0);
  });
});
