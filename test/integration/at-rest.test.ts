/** After a conversation, and in the middle of one, nothing that crossed can be read in the database or in the log. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { networkId } from '../../src/model/ids.ts';
import { installPostgres } from '../../src/sandbox/postgres/install.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { BridgeWorld, LONG_MS, newToolbox } from './bridge-world.ts';
import { filesBelow, findHidden, type Hidden, hidden } from './hidden-words.ts';

const CONTACT = 'Zebedee Quillfeather';
const NUMBER = '+4930901820';

for (const database of ['sqlite', 'postgres'] as const) {
  describe(`at rest on ${database}`, () => {
    let bridge: BridgeWorld;
    let room: string;
    let alice: string;
    const bodies: Record<string, string> = {};

    /** A text that nothing else says, kept to be looked for. */
    const unique = (name: string): string => {
      const body = `${name} — ${randomBytes(9).toString('base64url')} ${'blind mice, '.repeat(5)}`;
      bodies[name] = body;
      return body;
    };
    const phone = () => bridge.phone(CONTACT);
    const words = (): Hidden[] => {
      const { asToken, hsToken, masterKey } = bridge.world.secrets;
      return hidden({
        ...bodies,
        as_token: asToken,
        hs_token: hsToken,
        'master key in base64': masterKey,
        'master key': Buffer.from(masterKey, 'base64'),
        "the contact's name": CONTACT,
        "the contact's number": NUMBER,
      });
    };
    /** All that the database has on disk now. */
    const databaseFiles = async (): Promise<string[]> => {
      if (bridge.postgres === undefined) {
        const files = await filesBelow(bridge.world.bridgeDir);
        return files.filter((file) => /bridge\.db/.test(file));
      }
      return [await dump(bridge), ...(await filesBelow(await dataFolder(bridge)))];
    };
    const nothingIsReadable = async (wanted: readonly Hidden[]) => {
      const files = await databaseFiles();
      assert.ok(files.length >= (database === 'sqlite' ? 2 : 50), `${files.length} files`);
      assert.deepEqual(await findHidden(files, wanted), []);
      assert.deepEqual(await findHidden([bridge.world.bridge.logFile], wanted), []);
    };

    before(async () => {
      bridge = await BridgeWorld.start({
        database,
        contacts: [{ name: CONTACT, phone: NUMBER }, { name: 'Keyless' }],
      });
      room = await bridge.startChat(NUMBER);
      alice = await bridge.aliceJid();
      const keyless = await bridge.startChat('keyless');
      await bridge.alice.say(room, unique('out'));
      await bridge.phoneShows(phone(), [bodies.out ?? '']);
      await phone().send(alice, { text: unique('in') });
      await bridge.roomShows(room, [bodies.in ?? '']);
      await bridge.command(`start-chat ${unique('in a command')}`);
      await bridge.command('status');
      // What waits: an event whose contact's keys are not to be had, a text that cannot be shown, a stanza that cannot be sent.
      let since = (await bridge.bridgeLog()).length;
      bridge.world.gatekeeper.faults.keys = 'too-many';
      await bridge.alice.say(keyless, unique('waits in the inbox'));
      await bridge.logShows(({ msg }) => msg === 'event not handled', 'an event waits', since);
      since = (await bridge.bridgeLog()).length;
      await bridge.world.synapse.stop();
      await phone().send(alice, { text: unique('waits in the journal') });
      await bridge.logShows(({ msg }) => msg === 'stanza not handled', 'a text waits', since);
    });
    after(async () => await bridge?.stop());

    it('nothing is readable while messages wait, in the database or in the log at level debug', async () => {
      assert.ok((await bridge.bridgeLog()).some(({ level }) => level === 'debug'));
      await nothingIsReadable(words());
    });

    it('nothing is readable after they have arrived', async () => {
      bridge.world.gatekeeper.faults.keys = 'none';
      await bridge.world.synapse.restart();
      await bridge.roomShows(room, [bodies.in ?? '', bodies['waits in the journal'] ?? '']);
      // Its next attempt may be half a minute away by then.
      const hasCome = () => bridge.phone('Keyless').received.length >= 2;
      await bridge.until(hasCome, 'the waiting event', 3 * LONG_MS);
      await nothingIsReadable(words());
    });

    it('the log names no contact', async () => {
      const log = await readFile(bridge.world.bridge.logFile, 'utf8');
      for (const jid of [phone().jid, bridge.phone('Keyless').jid]) assert.ok(!log.includes(jid), jid);
    });

    it('no private key is readable: neither of Signal nor of the issuer', async () => {
      const keys = await bridge.readDatabase(
        async (storage) => await privateKeys(storage, bridge.alice.userId),
      );
      assert.ok(keys.length >= 2);
      await nothingIsReadable(keys);
    });

    it('the search finds what is put there on purpose, as text and as bytes', async () => {
      const [inText, inBytes, inLog] = ['lies open in text', 'lies open in bytes', 'lies open in the log'];
      const found = await bridge.readDatabase(async ({ database: db }) => {
        const row = { account_id: 'nobody', kind: 'kyber', key_id: 1, created_at_ms: 1 };
        await db.transaction(async (tx) => {
          await tx('signal_prekeys').insert({ ...row, sealed_record: Buffer.from(inBytes) });
          await tx('management_rooms').insert({
            ...{ room_id: '!x:y', matrix_user_id: '@x:y', created_at_ms: 1 },
            dialogue: inText,
          });
        });
        if (database === 'postgres')
          await db.transaction(async (tx) => await tx.raw('select pg_switch_wal()'));
        const finds = await findHidden(await databaseFiles(), hidden({ inText, inBytes }));
        await db.transaction(async (tx) => {
          await tx('signal_prekeys').where({ account_id: 'nobody' }).delete();
          await tx('management_rooms').where({ room_id: '!x:y' }).delete();
        });
        return finds;
      });
      assert.ok(
        found.some((find) => find.includes('inText (plain)')),
        found.join('\n'),
      );
      assert.ok(
        found.some((find) => find.includes(database === 'sqlite' ? 'inBytes (plain)' : 'inBytes (hex)')),
      );
      const spoilt = join(bridge.dir, 'spoilt.log');
      const token = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.eyJpc3MiOiJodHRwczov.c2lnbmF0dXJl`;
      await writeFile(spoilt, `${await readFile(bridge.world.bridge.logFile, 'utf8')}${inLog} ${token}\n`);
      assert.deepEqual(await findHidden([spoilt], hidden({ inLog })), [
        `${spoilt}: inLog (plain)`,
        `${spoilt}: inLog (json)`,
        `${spoilt}: a token`,
      ]);
    });
  });
}

/** What the sealed columns hold, opened. */
async function privateKeys(storage: Storage, user: string): Promise<Hidden[]> {
  return await storage.database.transaction(async (tx) => {
    const account = await storage.accounts.find(tx, networkId('gk'), user as never);
    assert.ok(account !== undefined);
    const identity = await storage.signalRecords.findIdentity(tx, account);
    assert.ok(identity !== undefined);
    const keys: Record<string, Uint8Array> = {
      'identity key pair': identity.keyPair,
      // libsignal writes the public key first and the 32 bytes of the private one last.
      'identity private key': identity.keyPair.subarray(-32),
      'secret of ids': await storage.idSecret(tx, account.dataKey),
    };
    for (const { kid } of await storage.issuerKeys.list(tx)) {
      keys[`issuer key ${kid}`] = await storage.issuerKeys.getPrivate(tx, kid);
    }
    return hidden(keys);
  });
}

async function dump(bridge: BridgeWorld): Promise<string> {
  const toolbox = newToolbox();
  const { bin, env } = await installPostgres(toolbox);
  const file = join(bridge.dir, 'dump.sql');
  const url = bridge.postgres?.url('bridge') ?? '';
  await toolbox.run(join(bin, 'pg_dump'), ['--file', file, url], { env });
  return file;
}

async function dataFolder(bridge: BridgeWorld): Promise<string> {
  const client = new pg.Client({ connectionString: bridge.postgres?.url('bridge') });
  await client.connect();
  try {
    // What is in memory only is on disk after it.
    await client.query('CHECKPOINT');
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory ?? '';
  } finally {
    await client.end();
  }
}
