/** What the schema finds wrong with one section, in words. */
import type { z } from 'zod';
import { nearest } from '../model/nearest.ts';
import type { SettingPath } from './fault.ts';
import { nodeAt, type SettingNode, secretKeys } from './settings.ts';
import { valueAt } from './tree.ts';

/** As `Fault`, without where it stands and what stands there; `hidden` if the value must not be shown at all. */
export interface SchemaFault {
  readonly path: SettingPath;
  readonly reason: string;
  readonly nearest?: string | undefined;
  readonly hidden: boolean;
}

export type SectionResult =
  | { readonly kind: 'valid'; readonly value: unknown }
  | { readonly kind: 'invalid'; readonly faults: readonly SchemaFault[] };

/**
 * Checks one section. Sections are checked apart, so that a fault in one does not hide those between others.
 * @param tree node of the whole configuration.
 */
export function checkSection(
  name: string,
  schema: z.ZodType,
  raw: unknown,
  tree: SettingNode,
): SectionResult {
  const node = nodeAt(tree, [name]);
  // A section that is not there at all is told key by key.
  const value = raw === undefined && node?.kind === 'section' ? {} : raw;
  const result = schema.safeParse(value, {
    error: (issue) =>
      reasonOf(issue, node === undefined ? undefined : nodeAt(node, (issue.path ?? []) as SettingPath)),
  });
  if (result.success) return { kind: 'valid', value: result.data };
  return {
    kind: 'invalid',
    faults: result.error.issues.flatMap((issue) => faultsOf(issue, name, value, tree)),
  };
}

function faultsOf(issue: z.core.$ZodIssue, section: string, raw: unknown, tree: SettingNode): SchemaFault[] {
  const path = [section, ...(issue.path as SettingPath)];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(nodeAt(tree, path));
    return issue.keys.map((key) => ({
      path: [...path, key],
      reason: 'is not a known key',
      nearest: nearest(key, known),
      hidden: true,
    }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, reason: issue.issues[0]?.message ?? 'is not allowed here', hidden: true }];
  }
  const node = nodeAt(tree, path);
  const input = valueAt(raw, issue.path as SettingPath);
  const meant =
    issue.code === 'invalid_value' && node?.kind === 'choice' && typeof input === 'string'
      ? nearest(input, Object.keys(node.consequences))
      : undefined;
  return [{ path, reason: issue.message, nearest: meant, hidden: false }];
}

function knownKeys(node: SettingNode | undefined): readonly string[] {
  if (node?.kind !== 'section') return [];
  return [...node.children.keys(), ...secretKeys(node).map((key) => `${key}_file`)];
}

/** Words for what zod found; used only where the schema has no words of its own. */
function reasonOf(issue: z.core.$ZodRawIssue, node: SettingNode | undefined): string {
  if (issue.input === undefined) return 'is missing';
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${kindWords(node)}${otherKindWords(issue.input)}`;
    case 'invalid_value':
      return node?.kind === 'choice'
        ? `must be one of ${Object.keys(node.consequences).join(', ')}`
        : 'is not allowed';
    case 'too_small':
    case 'too_big':
      if (node?.kind === 'integer' || node?.kind === 'number')
        return `must be ${rangeWords(node.min, node.max, node.words.unit)}`;
      return issue.code === 'too_big'
        ? `must not be longer than ${issue.maximum}`
        : `must not be shorter than ${issue.minimum}`;
    default:
      return 'is not allowed';
  }
}

/** "1 to 65535", "at least 5 seconds", "a number". */
export function rangeWords(
  min: number | undefined,
  max: number | undefined,
  unit: string | undefined,
): string {
  const counted = unit === undefined ? '' : ` ${unit}`;
  if (min !== undefined && max !== undefined) return `${min} to ${max}${counted}`;
  if (min !== undefined) return `at least ${min}${counted}`;
  return max === undefined ? 'a number' : `at most ${max}${counted}`;
}

function otherKindWords(input: unknown): string {
  if (Array.isArray(input)) return ', not a list';
  return typeof input === 'object' && input !== null ? ', not a map' : '';
}

function kindWords(node: SettingNode | undefined): string {
  switch (node?.kind) {
    case 'integer':
      return 'a whole number';
    case 'number':
      return 'a number';
    case 'switch':
      return 'true or false';
    case 'list':
      return 'a list';
    case 'map':
    case 'section':
      return 'a map';
    default:
      return 'text (in quotes, if it looks like a number)';
  }
}
