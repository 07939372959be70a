/** What the sample leaves for the operator to fill; a configuration that still holds it is refused. */
import type { SettingPath } from './fault.ts';

const PLACEHOLDER = /CHANGE-ME|(?<![A-Za-z0-9-])example\.com(?![A-Za-z0-9.-])/;

/** Whether a value or key is still the sample's: holds `CHANGE-ME` or a name under `example.com`. */
export function isPlaceholder(text: string): boolean {
  return PLACEHOLDER.test(text);
}

export interface PlaceholderPlace {
  readonly path: SettingPath;
  /** Whether it is the key, not the value. */
  readonly inKey: boolean;
}

/** The places of all values and keys in `tree` that are still placeholders. */
export function findPlaceholders(tree: unknown, path: SettingPath = []): PlaceholderPlace[] {
  if (typeof tree === 'string') return isPlaceholder(tree) ? [{ path, inKey: false }] : [];
  if (Array.isArray(tree)) return tree.flatMap((entry, index) => findPlaceholders(entry, [...path, index]));
  if (typeof tree !== 'object' || tree === null) return [];
  return Object.entries(tree).flatMap(([key, value]) =>
    isPlaceholder(key) ? [{ path: [...path, key], inKey: true }] : findPlaceholders(value, [...path, key]),
  );
}
