/** What the process that looks may do when a file has broken it or taken it over, played by small programs. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { FileInspector, type InspectWish } from '../../../src/media/file-inspector.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';

const FILE = { kind: 'file', mime: 'application/octet-stream' };
const DEADLINE_MS = 30_000;
const HANGS = 'setInterval(() => {}, 1000);';
/** As the text of a program. */
const KNOWN = '{"kind":"image","mime":"image/png"}\\n';

describe('what looks at files', () => {
  let folder: string;
  let clock: ReturnType<typeof heldClock>;
  let log: RecordingLog;
  let programs = 0;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-look-'));
  });
  after(async () => await rm(folder, { recursive: true }));
  beforeEach(() => {
    clock = heldClock();
    log = new RecordingLog();
  });

  const inspectorWith = async (text: string) => {
    programs += 1;
    const program = path.join(folder, `${programs}.mjs`);
    await writeFile(program, text);
    return new FileInspector({ settings: { maxBytes: 1_000_000, thumbnails: true }, clock, log, program });
  };
  const wish = (changes: Partial<InspectWish> = {}): InspectWish => ({
    open: async () => oneByte(),
    kind: 'image',
    mime: 'image/png',
    extras: [],
    signal: new AbortController().signal,
    ...changes,
  });
  async function* oneByte() {
    yield Buffer.alloc(1);
  }
  /** Its end is waited for by whoever moves the clock. */
  const opened = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const open = async () => {
      resolve();
      return oneByte();
    };
    return { promise, open };
  };
  const endings = () => log.entries.flatMap(({ facts }) => facts?.ended ?? []);

  it('is ended at its deadline, and what it has found until then is kept', async () => {
    // What is sent is more than a pipe holds: once it is taken, the finding has been said.
    const inspector = await inspectorWith(
      `process.stdout.write('${KNOWN}', () => process.stdin.resume()); ${HANGS}`,
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* much() {
      for (let i = 0; i < 15; i += 1) yield Buffer.alloc(65_536);
      resolve();
      await new Promise<void>(() => undefined);
    }
    const facts = inspector.inspect(wish({ open: async () => much() }));
    await promise;
    clock.advance(DEADLINE_MS);
    assert.deepEqual(await facts, { kind: 'image', mime: 'image/png' });
    assert.deepEqual(endings(), ['SIGKILL']);
  });

  it('is ended at its deadline when the file does not come', async () => {
    const inspector = await inspectorWith(HANGS);
    const { promise, resolve } = Promise.withResolvers<void>();
    async function* never() {
      resolve();
      await new Promise<void>(() => undefined);
      yield Buffer.alloc(1);
    }
    const facts = inspector.inspect(wish({ open: async () => never() }));
    await promise;
    clock.advance(DEADLINE_MS);
    assert.deepEqual(await facts, FILE);
  });

  it('may die', async () => {
    const inspector = await inspectorWith(
      `process.stdout.write('${KNOWN}', () => process.kill(process.pid, 'SIGSEGV')); ${HANGS}`,
    );
    assert.deepEqual(await inspector.inspect(wish()), { kind: 'image', mime: 'image/png' });
    assert.deepEqual(endings(), ['SIGSEGV']);
  });

  it('may end without taking what is sent to it', async () => {
    const inspector = await inspectorWith(`process.stdout.write('${KNOWN}', () => process.exit(0));`);
    async function* much() {
      for (let i = 0; i < 15; i += 1) yield Buffer.alloc(65_536);
    }
    const facts = await inspector.inspect(wish({ open: async () => much() }));
    assert.deepEqual(facts, { kind: 'image', mime: 'image/png' });
  });

  it('is ended when it says too much', async () => {
    const inspector = await inspectorWith(
      `const more = () => process.stdout.write('x'.repeat(65536), more); more(); ${HANGS}`,
    );
    assert.deepEqual(await inspector.inspect(wish()), FILE);
    assert.deepEqual(endings(), ['SIGKILL']);
  });

  it('is ended when the file breaks off: half of it must not pass for the whole', async () => {
    const inspector = await inspectorWith(HANGS);
    async function* broken() {
      yield Buffer.alloc(1);
      throw new Error('broken off');
    }
    assert.deepEqual(await inspector.inspect(wish({ open: async () => broken() })), FILE);
    const failing = async () => await Promise.reject(new Error('not there'));
    assert.deepEqual(await inspector.inspect(wish({ open: failing })), FILE);
    assert.deepEqual(endings(), ['SIGKILL', 'SIGKILL']);
  });

  it('may not be there', async () => {
    const program = path.join(folder, 'none.mjs');
    const settings = { maxBytes: 1_000_000, thumbnails: true };
    const inspector = new FileInspector({ settings, clock, log, program });
    assert.deepEqual(await inspector.inspect(wish()), FILE);
    assert.deepEqual(endings(), ['code-1']);
  });

  it('has no environment, writes no files and starts no processes', async () => {
    const inspector = await inspectorWith(`
      import { spawnSync } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      const isDenied = (work) => {
        try { work(); return false; } catch (failure) { return failure.code === 'ERR_ACCESS_DENIED'; }
      };
      const denied = [
        isDenied(() => writeFileSync(${JSON.stringify(path.join(folder, 'written'))}, 'x')),
        isDenied(() => spawnSync('true')),
        Object.keys(process.env).length === 0,
      ];
      for await (const piece of process.stdin);
      process.stdout.write(JSON.stringify({ mime: 'x/' + denied.join('-') }) + '\\n');
    `);
    assert.equal((await inspector.inspect(wish())).mime, 'x/true-true-true');
  });

  it('is run twice at a time at most, and the next one when one has ended', async () => {
    const inspector = await inspectorWith(HANGS);
    const files = [opened(), opened(), opened()];
    const giveUp = new AbortController();
    let lastOpened = false;
    files[2]?.promise.then(() => {
      lastOpened = true;
    });
    const looks = files.map(
      async ({ open }, index) =>
        await inspector.inspect(wish(index === 0 ? { open, signal: giveUp.signal } : { open })),
    );
    await Promise.all([files[0]?.promise, files[1]?.promise]);
    assert.equal(lastOpened, false);
    giveUp.abort(new Error('enough'));
    await assert.rejects(looks[0] ?? Promise.resolve(), /enough/);
    await files[2]?.promise;
    clock.advance(DEADLINE_MS);
    assert.deepEqual(await Promise.all(looks.slice(1)), [FILE, FILE]);
  });

  it('has ended when the daemon has stopped', async () => {
    const inspector = await inspectorWith(HANGS);
    const { promise, open } = opened();
    const facts = inspector.inspect(wish({ open }));
    const rejected = assert.rejects(facts, /stopping/);
    await promise;
    await inspector.stop();
    await rejected;
    await assert.rejects(inspector.inspect(wish()), /stopping/);
  });
});
