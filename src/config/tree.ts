/** The configuration as plain values, before it is checked: what YAML gives, with the environment laid over it. */
import type { SettingPath } from './fault.ts';

export type RawMap = { [key: string]: unknown };

export function isMap(value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at `path`, or `undefined`. */
export function valueAt(root: unknown, path: SettingPath): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as RawMap)[key];
  }
  return value;
}

/**
 * Puts `value` at `path`, making the maps on the way.
 * @returns whether it could: not where something other than a map stands on the way.
 */
export function putAt(root: RawMap, path: readonly string[], value: unknown): boolean {
  let map = root;
  for (const key of path.slice(0, -1)) {
    if (!Object.hasOwn(map, key)) map[key] = {};
    const next = map[key];
    if (!isMap(next)) return false;
    map = next;
  }
  const last = path.at(-1);
  if (last === undefined) return false;
  map[last] = value;
  return true;
}

/** Deeper than any setting stands; also where an alias makes a list or a map a part of itself. */
const MAX_DEPTH = 16;

/** Whether lists and maps in `value` stand deeper in one another than settings do. Without recursion. */
export function isTooDeep(value: unknown): boolean {
  const waiting = [{ value, depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const depth = next.depth + 1;
    if (typeof next.value !== 'object' || next.value === null) continue;
    if (depth > MAX_DEPTH) return true;
    for (const inside of Object.values(next.value)) waiting.push({ value: inside, depth });
  }
  return false;
}
