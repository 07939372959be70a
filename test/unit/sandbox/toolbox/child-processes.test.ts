import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { type TestContext, test } from 'node:test';
import { hasCode } from '../../../../src/model/errors.ts';
import { ChildProcesses } from '../../../../src/sandbox/toolbox/child-processes.ts';
import { createLifeline } from '../../../../src/sandbox/toolbox/lifeline.ts';
import type { ProcessOptions } from '../../../../src/sandbox/toolbox/toolbox.ts';

const TIMEOUT_MS = 10_000;
const SERVER = 'console.log("ready"); setInterval(() => 0, 1000)';

function start(context: TestContext, script: string, more: Partial<ProcessOptions> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'drawbridge-process-'));
  const logFile = join(dir, 'deep', 'log');
  const starting = new ChildProcesses({ env, lifeline: createLifeline(env) }).start({
    name: 'server',
    command: process.execPath,
    args: ['-e', script],
    logFile,
    ready: /ready/,
    timeoutMs: TIMEOUT_MS,
    ...more,
  });
  context.after(async () => (await starting.catch(() => undefined))?.kill());
  return { starting, logFile };
}

// A process that has ended counts as gone, even if nobody has asked for its exit code yet.
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // gone
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'the condition did not come true in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a server is ready when its output shows the pattern, and both streams are in the log', async (t) => {
  const { starting, logFile } = start(t, `console.error("err"); ${SERVER}`);
  const server = await starting;
  assert.ok(isAlive(server.pid));
  assert.equal(readFileSync(logFile, 'utf8'), 'err\nready\n');
  await server.stop();
  assert.equal(isAlive(server.pid), false);
});

test('what an earlier start has left in the log does not count as ready', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'drawbridge-process-'));
  const logFile = join(dir, 'log');
  writeFileSync(logFile, 'ready\n');
  const { starting } = start(t, 'process.exitCode = 4', { logFile });
  await assert.rejects(starting, (failure) => hasCode(failure, 'toolbox/endedEarly'));
});

test('a server is asked until it says that it is ready, and a throw counts as no', async (t) => {
  let asked = 0;
  const { starting } = start(t, SERVER, {
    ready: async () => {
      asked += 1;
      if (asked === 1) throw new Error('refused');
      return asked === 3;
    },
  });
  await starting;
  assert.equal(asked, 3);
});

test('a server that ends before it is ready is told with exit code and last lines', async (t) => {
  const { starting, logFile } = start(t, 'console.error("bad config"); process.exitCode = 4');
  await assert.rejects(starting, (failure) => {
    assert.ok(hasCode(failure, 'toolbox/endedEarly'));
    assert.equal(failure.facts.exitCode, 4);
    assert.equal(failure.facts.output, 'bad config');
    assert.equal(failure.facts.logFile, logFile);
    return true;
  });
});

test('a server whose program is not there is told', async (t) => {
  const { starting } = start(t, '', { command: '/nowhere/program' });
  await assert.rejects(starting, (failure) => hasCode(failure, 'toolbox/endedEarly'));
});

test('a server that is not ready in time is killed and told', async (t) => {
  const { starting, logFile } = start(t, 'console.log("pid", process.pid); setInterval(() => 0, 1000)', {
    timeoutMs: 1_000,
  });
  await assert.rejects(starting, (failure) => hasCode(failure, 'toolbox/notReady'));
  const pid = Number(/pid (\d+)/.exec(readFileSync(logFile, 'utf8'))?.[1]);
  assert.equal(isAlive(pid), false);
});

test('stopping sends the chosen signal and waits for the end; a second stop is harmless', async (t) => {
  const { starting } = start(t, `process.on("SIGINT", () => process.exit(5)); ${SERVER}`, {
    stopSignal: 'SIGINT',
  });
  const server = await starting;
  await server.stop();
  assert.deepEqual(await server.exited, { exitCode: 5, signal: null });
  await server.stop();
});

test('a kill ends the server at once, together with what it has started', async (t) => {
  const { starting, logFile } = start(
    t,
    `process.on("SIGTERM", () => 0);
     const child = require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => 0, 1000)"]);
     child.on("spawn", () => console.log("child", child.pid, "ready")); `,
  );
  const server = await starting;
  const grandchild = Number(/child (\d+)/.exec(readFileSync(logFile, 'utf8'))?.[1]);
  assert.ok(isAlive(grandchild));
  await server.kill();
  assert.deepEqual(await server.exited, { exitCode: null, signal: 'SIGKILL' });
  await until(() => !isAlive(grandchild));
});

// Starts a server from a process of its own, which then leaves without stopping it.
async function leaveBehind(t: TestContext, leave: string): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'drawbridge-process-'));
  const pidFile = join(dir, 'pid');
  const file = join(import.meta.dirname, '../../../../src/sandbox/toolbox/toolbox.ts');
  const script = `
    const { openToolbox } = await import(${JSON.stringify(file)});
    const server = await openToolbox({ folder: '/nowhere', env: process.env, progress() {} }).startProcess({ name: 'server', command: process.execPath,
      args: ['-e', ${JSON.stringify(SERVER)}], logFile: ${JSON.stringify(join(dir, 'log'))}, ready: /ready/, timeoutMs: 9000 });
    (await import('node:fs')).writeFileSync(${JSON.stringify(pidFile)}, String(server.pid));
    ${leave}`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  await once(parent, 'close');
  assert.ok(existsSync(pidFile));
  const pid = Number(readFileSync(pidFile, 'utf8'));
  t.after(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
  return pid;
}

test('a server ends with the process that has started it', async (t) => {
  const pid = await leaveBehind(t, 'process.exit(0)');
  await until(() => !isAlive(pid));
});

// Only Linux can do this.
if (process.platform === 'linux') {
  test('a server ends even when the process that has started it is killed', async (t) => {
    const pid = await leaveBehind(t, 'process.kill(process.pid, "SIGKILL")');
    await until(() => !isAlive(pid));
  });
}
