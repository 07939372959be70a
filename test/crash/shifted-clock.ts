/**
 * A loader for crash tests only: `node --import ./test/crash/shifted-clock.ts …`. The process's wall clock goes wrong by as
 * many milliseconds as the file `DRAWBRIDGE_CLOCK_FILE` says, from its start and anew with each SIGUSR2. Timers go on.
 */
import { readFileSync } from 'node:fs';

const file = process.env.DRAWBRIDGE_CLOCK_FILE;
const RealDate = Date;
let shiftMs = 0;

function look(): void {
  if (file !== undefined) shiftMs = Number(readFileSync(file, 'utf8'));
}

// A proxy, so that `Date` without `new`, `Date.UTC` and `instanceof` stay what they are.
globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, newTarget) =>
    Reflect.construct(target, given.length === 0 ? [RealDate.now() + shiftMs] : given, newTarget),
  get: (target, name, receiver) =>
    name === 'now' ? () => RealDate.now() + shiftMs : Reflect.get(target, name, receiver),
});

look();
process.on('SIGUSR2', look);
