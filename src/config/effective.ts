/** Every setting with its value and where it came from, for `drawbridge check-config --show`. */
import { pathText, type SettingPath, shownValue } from './fault.ts';
import type { SettingNode } from './settings.ts';
import { isMap } from './tree.ts';

export interface EffectiveSetting {
  readonly path: string;
  /** As it may be shown: a secret is `[set]` or `[unset]`. */
  readonly value: string;
  /** `file:line:column`, the name of a variable, or `default`. */
  readonly origin: string;
}

/** @param originOf where the value at a path came from, asked only for values that were given. */
export function effectiveSettings(
  raw: unknown,
  node: SettingNode,
  originOf: (path: SettingPath) => string,
  path: SettingPath = [],
): EffectiveSetting[] {
  if (node.kind === 'section') {
    const map = isMap(raw) ? raw : {};
    return [...node.children].flatMap(([key, child]) =>
      effectiveSettings(map[key], child, originOf, [...path, key]),
    );
  }
  if (node.kind === 'map' && node.entry.kind === 'section') {
    const map = isMap(raw) ? raw : {};
    return Object.entries(map).flatMap(([key, value]) =>
      effectiveSettings(value, node.entry, originOf, [...path, key]),
    );
  }
  const secret = node.words.secret === true;
  const value = raw ?? node.fallback;
  const origin = raw === undefined ? 'default' : originOf(path);
  return [{ path: pathText(path), value: valueText(value, secret), origin }];
}

function valueText(value: unknown, secret: boolean): string {
  if (value === undefined) return '[unset]';
  if (typeof value === 'object' && !secret) return JSON.stringify(value);
  return shownValue(value, secret) ?? '[unset]';
}
