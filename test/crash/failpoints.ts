/**
 * A loader for crash tests only: `node --import ./test/crash/failpoints.ts …`. It turns the comments `// crash point: name`
 * of the sources into calls; in a normal run they stay comments. `DRAWBRIDGE_FAILPOINT=name:n` ends the process, as a
 * power cut would, when the point is passed for the nth time.
 */
import { registerHooks } from 'node:module';

const MARK = /^(\s*)\/\/ crash point: ([a-z][a-z-]*)$/gm;

const [armed = '', count = '1'] = (process.env.DRAWBRIDGE_FAILPOINT ?? '').split(':');
let left = Number(count);

Object.assign(globalThis, {
  drawbridgeFailpoint: (name: string) => {
    if (name !== armed) return;
    left -= 1;
    // No handler runs and nothing is flushed: what is not durable is gone.
    if (left <= 0) process.kill(process.pid, 'SIGKILL');
  },
});

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    if (!url.includes('/src/') || url.includes('/node_modules/') || loaded.source == null) return loaded;
    const text = Buffer.from(loaded.source as Uint8Array | string).toString('utf8');
    if (!text.includes('// crash point: ')) return loaded;
    return { ...loaded, source: text.replace(MARK, "$1globalThis.drawbridgeFailpoint('$2');") };
  },
});
