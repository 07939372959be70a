import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureInstalled } from '../../../../src/sandbox/toolbox/installation.ts';

function newTools() {
  const folder = mkdtempSync(join(tmpdir(), 'drawbridge-tools-'));
  const lines: string[] = [];
  let builds = 0;
  return {
    folder,
    lines,
    builds: () => builds,
    ensure: (version: string, more: { fails?: boolean; intact?: () => Promise<boolean> } = {}) =>
      ensureInstalled(
        { folder, progress: (line) => lines.push(line) },
        {
          name: 'tool',
          version,
          build: async (dir) => {
            builds += 1;
            assert.deepEqual(readdirSync(dir), [], 'a build begins in an empty folder');
            writeFileSync(join(dir, 'program'), version);
            if (more.fails) throw new Error('no network');
          },
          ...(more.intact ? { intact: more.intact } : {}),
        },
      ),
  };
}

test('what is installed is not built again, and the folder is told', async () => {
  const tools = newTools();
  const dir = await tools.ensure('1.2');
  assert.equal(readFileSync(join(dir, 'program'), 'utf8'), '1.2');
  assert.equal(await tools.ensure('1.2'), dir);
  assert.equal(tools.builds(), 1);
  assert.match(tools.lines.join('\n'), /^tool: installing…\ntool: ready \(\d+ s\)$/);
});

test('another version is built beside the old one', async () => {
  const tools = newTools();
  const old = await tools.ensure('1.2');
  assert.notEqual(await tools.ensure('1.3'), old);
  assert.equal(tools.builds(), 2);
  assert.ok(existsSync(join(old, 'program')));
});

test('a build that failed is begun anew', async () => {
  const tools = newTools();
  await assert.rejects(tools.ensure('1', { fails: true }), /no network/);
  await tools.ensure('1');
  assert.equal(tools.builds(), 2);
});

test('what an interrupted build has left is cleared away first', async () => {
  const tools = newTools();
  mkdirSync(join(tools.folder, 'tool-1'));
  writeFileSync(join(tools.folder, 'tool-1', 'half'), '');
  const dir = await tools.ensure('1');
  assert.equal(existsSync(join(dir, 'half')), false);
});

test('what is no longer intact is built anew', async () => {
  const tools = newTools();
  await tools.ensure('1');
  await tools.ensure('1', { intact: async () => false });
  await tools.ensure('1', { intact: async () => true });
  assert.equal(tools.builds(), 2);
});

test('two who ask at once share one build', async () => {
  const tools = newTools();
  const [one, two] = await Promise.all([tools.ensure('1'), tools.ensure('1')]);
  assert.equal(one, two);
  assert.equal(tools.builds(), 1);
  assert.ok(tools.lines.includes('tool: waiting for another run that is installing it…'));
});
