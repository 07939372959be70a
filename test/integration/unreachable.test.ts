/** What the bridge does when what it needs is not there, and when nothing but the operator can help. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { BridgeWorld, LONG_MS } from './bridge-world.ts';
import { drawbridge } from './drawbridge-command.ts';

type Readiness = { ready: boolean; checks: Record<string, { ok: boolean; error?: string }> };
type ConfigTree = Record<string, Record<string, unknown>>;

describe('a bridge that misses something', () => {
  let bridge: BridgeWorld;
  let room: string;

  const health = async (path: string) => {
    const answer = await fetch(`${bridge.world.bridge.healthUrl}${path}`, {
      signal: AbortSignal.timeout(5_000),
    });
    return { status: answer.status, body: (await answer.json()) as Readiness };
  };
  const becomesReady = async () =>
    await bridge.until(async () => (await health('/ready')).status === 200, 'ready');
  /** Of the copy's content only `changes` differ. */
  const configWith = async (changes: (tree: ConfigTree) => void) => {
    const tree = parse(await readFile(bridge.world.bridge.configFile, 'utf8')) as ConfigTree;
    changes(tree);
    const file = join(bridge.dir, 'changed.yaml');
    await writeFile(file, stringify(tree), { mode: 0o600 });
    return file;
  };
  /** Starts a second bridge on this configuration; it must end by itself. */
  const startToEnd = async (file: string) => {
    const { exitCode, out, err } = await drawbridge('start', '-c', file);
    const { asToken, hsToken, masterKey } = bridge.world.secrets;
    for (const secret of [asToken, hsToken, masterKey]) assert.ok(!(out + err).includes(secret));
    return { exitCode, said: out + err };
  };

  before(async () => {
    bridge = await BridgeWorld.start({ optIn: false });
  });
  after(async () => await bridge?.stop());

  it('the gatekeeper API away: an opt-in waits, its reason stands in the log, and it is carried through later', async () => {
    const since = (await bridge.bridgeLog()).length;
    bridge.world.gatekeeper.faults.api = 'unavailable';
    await bridge.command('opt-in');
    await bridge.command('yes');
    await bridge.logShows(
      ({ msg, code }) => msg === 'enlistment not carried through' && code === 'network/unavailable',
      'the refusal',
      since,
    );
    assert.match((await bridge.command('status')).body, /Gatekeeper: connecting/);
    bridge.world.gatekeeper.faults.api = 'none';
    await bridge.alice.seeMessage(({ body }) => body.startsWith('You are connected to'), LONG_MS);
    room = await bridge.startChat('bob');
    await bridge.alice.say(room, 'begun');
    await bridge.phoneShows(bridge.bob, ['begun']);
  });

  it('no homeserver at start: alive, not ready, and the log says which and why, until it comes', async () => {
    await bridge.world.bridge.stop();
    await bridge.world.synapse.stop();
    const since = (await bridge.bridgeLog()).length;
    await bridge.world.bridge.start('live');
    const line = await bridge.logShows(
      ({ msg }) => msg === 'homeserver not ready, waiting',
      'the wait',
      since,
    );
    assert.equal(line.level, 'warn');
    assert.match(JSON.stringify(line.causes), /matrix\/homeserverUnreachable/);
    assert.equal((await health('/live')).status, 200);
    const { status, body } = await health('/ready');
    assert.equal(status, 503);
    assert.deepEqual([body.ready, body.checks.homeserver?.error], [false, 'matrix/homeserverUnreachable']);
    assert.equal(body.checks.database?.ok, true);
    await bridge.bob.send(await bridge.aliceJid(), { text: 'to nobody yet' });
    await bridge.world.synapse.restart();
    await becomesReady();
    await bridge.roomShows(room, ['to nobody yet']);
  });

  it('no Prosody at start: alive, not ready, and the log says why, until it comes', async () => {
    const { prosody } = bridge.world.gatekeeper;
    await bridge.world.bridge.stop();
    await prosody.stop();
    const since = (await bridge.bridgeLog()).length;
    await bridge.world.bridge.start('live');
    const line = await bridge.logShows(({ msg }) => msg === 'link lost', 'the lost link', since);
    assert.match(JSON.stringify(line.causes), /ECONNREFUSED/);
    assert.equal((await health('/live')).status, 200);
    await bridge.until(
      async () => (await health('/ready')).body.checks.homeserver?.ok === true,
      'homeserver',
    );
    const { status, body } = await health('/ready');
    assert.equal(status, 503);
    assert.equal(body.checks['networks.gk']?.error, 'bridge/linkDown');
    await bridge.alice.say(room, 'into the void');
    await prosody.restart();
    await becomesReady();
    await bridge.phoneShows(bridge.bob, ['begun', 'into the void']);
  });

  it('a database that another process holds ends the start with 14', async () => {
    const file = await configWith(() => undefined);
    const { exitCode, said } = await startToEnd(file);
    assert.equal(exitCode, 14, said);
    assert.match(said, /storage\/inUse/);
  });

  describe('with the bridge stopped', () => {
    before(async () => await bridge.world.bridge.stop());

    it('a token that the homeserver does not know ends the start with 16', async () => {
      const file = await configWith((tree) => {
        Object.assign(tree.appservice ?? {}, { as_token: 'f'.repeat(64) });
      });
      const { exitCode, said } = await startToEnd(file);
      assert.equal(exitCode, 16, said);
      assert.match(said, /matrix\/badToken/);
    });

    it("another appservice's bot ends the start with 17", async () => {
      const file = await configWith((tree) => {
        Object.assign(tree.appservice ?? {}, { bot: { username: 'otherbot', displayname: 'Other' } });
      });
      const { exitCode, said } = await startToEnd(file);
      assert.equal(exitCode, 17, said);
    });

    it('a port that is taken ends the start with 23, and says which', async () => {
      const port = Number(new URL(bridge.world.bridge.healthUrl).port);
      const squatter = createServer();
      await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
      try {
        const { exitCode, said } = await startToEnd(await configWith(() => undefined));
        assert.equal(exitCode, 23, said);
        assert.match(said, new RegExp(`http/cannotListen.*port=${port}.*EADDRINUSE`));
      } finally {
        squatter.close();
      }
    });

    it('a wrong master key ends the start with 33, and changes nothing', async () => {
      const file = await configWith((tree) => {
        Object.assign(tree.encryption ?? {}, { master_key: randomBytes(32).toString('base64') });
      });
      const { exitCode, said } = await startToEnd(file);
      assert.equal(exitCode, 33, said);
      assert.match(said, /storage\/wrongMasterKey/);
      await bridge.world.bridge.start();
      await bridge.alice.say(room, 'all as before');
      await bridge.phoneShows(bridge.bob, ['begun', 'into the void', 'all as before']);
    });
  });
});
