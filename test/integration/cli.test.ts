/** What an operator types before the first start, and what comes of it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { findPlaceholders } from '../../src/config/placeholders.ts';
import { BridgeWorld } from './bridge-world.ts';
import { drawbridge, REPOSITORY } from './drawbridge-command.ts';

const SAMPLE = join(REPOSITORY, 'config.sample.yaml');

describe('the drawbridge command', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drawbridge-cli-'));
  });
  after(async () => await rm(dir, { recursive: true, force: true }));

  it('check-config on the untouched sample exits with 11 and names every placeholder', async () => {
    const { exitCode, out, err } = await drawbridge('check-config', '-c', SAMPLE);
    assert.equal(exitCode, 11);
    const places = findPlaceholders(parse(await readFile(SAMPLE, 'utf8')));
    assert.ok(places.length >= 8, `${places.length} placeholders`);
    for (const { path } of places) {
      const name = path.join('.').replace(/\.(\d+)/g, '[$1]');
      const told = [name, path.slice(0, -1).join('.')].some((text) => (out + err).includes(text));
      assert.ok(told, `${name} is not named in:\n${err}`);
    }
  });

  it('the sample with its placeholders filled is valid, and no secret is printed', async () => {
    const file = join(dir, 'config.yaml');
    const secrets = ['a'.repeat(40), 'h'.repeat(40), randomBytes(32).toString('base64')];
    const [asToken = '', hsToken = '', masterKey = ''] = secrets;
    const filled = (await readFile(SAMPLE, 'utf8'))
      .replace('as_token: CHANGE-ME', `as_token: ${asToken}`)
      .replace('hs_token: CHANGE-ME', `hs_token: ${hsToken}`)
      .replace('master_key: CHANGE-ME', `master_key: ${masterKey}`)
      .replaceAll('CHANGE-ME', 'Bridge Test')
      .replaceAll('example.com', 'bridge.test');
    await writeFile(file, filled, { mode: 0o600 });
    const { exitCode, out, err } = await drawbridge('check-config', '-c', file, '--show');
    assert.equal(exitCode, 0, err);
    for (const secret of secrets) assert.ok(!(out + err).includes(secret));
  });

  it('a configuration that is not there exits with 10, a wrong command line with 1', async () => {
    assert.equal((await drawbridge('check-config', '-c', join(dir, 'none.yaml'))).exitCode, 10);
    assert.equal((await drawbridge('no-such-command')).exitCode, 1);
  });

  describe('register', () => {
    let bridge: BridgeWorld;

    before(async () => {
      bridge = await BridgeWorld.start({ contacts: [], optIn: false });
    });
    after(async () => await bridge?.stop());

    it('writes what Synapse accepts: the token speaks for the bot, and for ghosts', async () => {
      const { world } = bridge;
      const whoAmI = async (query: string) => {
        const url = `${world.synapse.baseUrl}/_matrix/client/v3/account/whoami${query}`;
        const answer = await fetch(url, { headers: { authorization: `Bearer ${world.secrets.asToken}` } });
        return [answer.status, ((await answer.json()) as { user_id?: string }).user_id];
      };
      assert.deepEqual(await whoAmI(''), [200, world.botUserId]);
      const stranger = await whoAmI(`?user_id=${encodeURIComponent(bridge.alice.userId)}`);
      assert.deepEqual(stranger, [403, undefined]);
    });

    it('says whether the file is still what the configuration gives', async () => {
      const file = join(bridge.world.bridgeDir, 'registration.yaml');
      const check = async () =>
        (await drawbridge('register', '-c', bridge.world.bridge.configFile, '-o', file, '--check')).exitCode;
      assert.equal(await check(), 0);
      await writeFile(
        file,
        (await readFile(file, 'utf8')).replace('rate_limited: false', 'rate_limited: true'),
      );
      assert.equal(await check(), 22);
    });

    it('overwrites nothing unless it is told to', async () => {
      const file = join(bridge.world.bridgeDir, 'registration.yaml');
      const before = await readFile(file, 'utf8');
      const { configFile } = bridge.world.bridge;
      assert.equal((await drawbridge('register', '-c', configFile, '-o', file)).exitCode, 21);
      assert.equal(await readFile(file, 'utf8'), before);
    });
  });
});
