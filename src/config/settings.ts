/**
 * The schema as a tree that can be walked: sections, maps, lists and single values with their words. The loader, the
 * environment names and every generated page read this instead of zod.
 */
import { z } from 'zod';
import { configSchema } from './schema.ts';
import { choiceOf, type SettingWords, wordsOf } from './setting.ts';

/** Stands in a path for a key that the operator chooses, such as a network's id. */
export const ANY_KEY = '*';

interface Common {
  readonly words: SettingWords;
  /** Whether the operator must give it: no default, and not optional. */
  readonly required: boolean;
  /** The default; `undefined` if there is none. */
  readonly fallback: unknown;
}
/** Keys of known names. */
export interface SectionNode extends Common {
  readonly kind: 'section';
  readonly children: ReadonlyMap<string, SettingNode>;
}
/** Keys that the operator chooses. */
export interface MapNode extends Common {
  readonly kind: 'map';
  readonly entry: SettingNode;
}
export interface ListNode extends Common {
  readonly kind: 'list';
  readonly entry: SettingNode;
}
export interface ValueNode extends Common {
  readonly kind: 'text' | 'integer' | 'number' | 'switch';
  /** Of a number; `undefined` if it has no bound. */
  readonly min: number | undefined;
  readonly max: number | undefined;
}
export interface ChoiceNode extends Common {
  readonly kind: 'choice';
  /** For each value what then happens. */
  readonly consequences: Readonly<Record<string, string>>;
  /** Values that are refused for now, each with the reason. */
  readonly notYet: Readonly<Record<string, string>>;
}
export type SettingNode = SectionNode | MapNode | ListNode | ValueNode | ChoiceNode;

/** The tree of the whole configuration. */
export function configTree(): SectionNode {
  return section(configSchema, { words: { description: '' }, required: true, fallback: undefined });
}

/** The node at `path`, whose keys may be concrete or `ANY_KEY`; `undefined` where the schema has nothing. */
export function nodeAt(tree: SettingNode, path: readonly (string | number)[]): SettingNode | undefined {
  let node: SettingNode | undefined = tree;
  for (const key of path) {
    if (node?.kind === 'section') node = node.children.get(String(key));
    else if (node?.kind === 'map' || node?.kind === 'list') node = node.entry;
    else return undefined;
  }
  return node;
}

/** The keys of a section whose values are secret: each also has a sibling `<key>_file`. */
export function secretKeys(node: SectionNode): readonly string[] {
  return [...node.children].filter(([, child]) => child.words.secret).map(([key]) => key);
}

function describe(schema: z.ZodType): SettingNode {
  let words = wordsOf(schema);
  let inner = schema;
  let required = true;
  let fallback: unknown;
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      fallback = inner.def.defaultValue;
      required = false;
      inner = inner.unwrap() as z.ZodType;
    } else if (inner instanceof z.ZodOptional) {
      required = false;
      inner = inner.unwrap() as z.ZodType;
    } else if (inner instanceof z.ZodPipe) {
      inner = inner.def.in as z.ZodType;
    } else break;
    words ??= wordsOf(inner);
  }
  return nodeOf(inner, { words: words ?? { description: '' }, required, fallback });
}

function nodeOf(schema: z.ZodType, common: Common): SettingNode {
  if (schema instanceof z.ZodObject) return section(schema, common);
  if (schema instanceof z.ZodRecord) {
    return { ...common, kind: 'map', entry: describe(schema.valueType as z.ZodType) };
  }
  if (schema instanceof z.ZodArray) {
    return { ...common, kind: 'list', entry: describe(schema.element as z.ZodType) };
  }
  const choice = choiceOf(schema);
  if (choice !== undefined) return { ...common, kind: 'choice', ...choice };
  if (schema instanceof z.ZodNumber) {
    const kind = schema.isInt ? 'integer' : 'number';
    return { ...common, kind, min: schema.minValue ?? undefined, max: schema.maxValue ?? undefined };
  }
  const kind = schema instanceof z.ZodBoolean ? 'switch' : 'text';
  return { ...common, kind, min: undefined, max: undefined };
}

function section(schema: z.ZodObject, common: Common): SectionNode {
  const children = new Map(
    Object.entries(schema.shape).map(([key, child]) => [key, describe(child as z.ZodType)]),
  );
  return { ...common, kind: 'section', children };
}
