/**
 * Settings from environment variables: `DRAWBRIDGE_` and the keys of the path in capitals, joined by two underscores; a
 * `-` in a network's id becomes `_`. Single words are taken as they stand, everything else is read as YAML. An empty
 * variable counts as not set.
 */
import { parseDocument } from 'yaml';
import { nearest } from '../model/nearest.ts';
import { type Fault, pathText } from './fault.ts';
import { type SectionNode, type SettingNode, secretKeys } from './settings.ts';
import { isMap, isTooDeep, putAt, type RawMap } from './tree.ts';

const PREFIX = 'DRAWBRIDGE_';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The variable for the setting at `path`. */
export function environmentName(path: readonly string[]): string {
  return PREFIX + path.map((key) => key.toUpperCase().replaceAll('-', '_')).join('__');
}

export interface Overlay {
  readonly faults: readonly Fault[];
  /** The variable behind each setting that came from one, by `pathText`. */
  readonly names: ReadonlyMap<string, string>;
}

/**
 * Lays the variables over `root`, changing it. A variable with the prefix and two underscores that fits no setting is
 * a fault, because a typo there would otherwise go unseen; `DRAWBRIDGE_CONFIG` and its like have none.
 */
export function layEnvironment(root: RawMap, tree: SectionNode, environment: Environment): Overlay {
  const faults: Fault[] = [];
  const names = new Map<string, string>();
  const known = new Map(
    variables(tree, root, []).map((variable) => [environmentName(variable.path), variable]),
  );
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || text === undefined || text === '') continue;
    const variable = known.get(name);
    if (variable === undefined) {
      if (!name.includes('__')) continue;
      const meant = nearest(name, known.keys());
      faults.push({ path: [], reason: 'fits no setting', origin: name, nearest: meant });
      continue;
    }
    const read = readValue(text, variable.node);
    if (read.kind === 'malformed') {
      faults.push({ path: variable.path, reason: 'is not valid YAML', origin: name });
    } else if (putAt(root, variable.path, read.value)) {
      // Not where the file has no map on the way: that is told as a fault of the file.
      names.set(pathText(variable.path), name);
    }
  }
  for (const path of known.values()) dropFileForm(root, path, names);
  return { faults, names };
}

interface Variable {
  readonly path: readonly string[];
  /** `undefined` for the `_file` form of a secret, which is text. */
  readonly node: SettingNode | undefined;
  /** The other form of a secret: value for file, file for value. */
  readonly sibling?: readonly string[];
}

function variables(node: SettingNode, raw: unknown, path: readonly string[]): Variable[] {
  if (node.kind === 'section') {
    const map = isMap(raw) ? raw : {};
    const secrets = secretKeys(node).flatMap((key): Variable[] => [
      { path: [...path, key], node: node.children.get(key), sibling: [...path, `${key}_file`] },
      { path: [...path, `${key}_file`], node: undefined, sibling: [...path, key] },
    ]);
    const others = [...node.children].filter(([, child]) => !child.words.secret);
    return [...secrets, ...others.flatMap(([key, child]) => variables(child, map[key], [...path, key]))];
  }
  if (node.kind === 'map' && node.entry.kind === 'section') {
    const ids = isMap(raw) ? Object.keys(raw) : [];
    return ids.flatMap((id) => variables(node.entry, isMap(raw) ? raw[id] : undefined, [...path, id]));
  }
  return [{ path, node }];
}

/** A secret from the environment takes the place of its other form in the file; two variables for one stay a fault. */
function dropFileForm(root: RawMap, variable: Variable, names: ReadonlyMap<string, string>): void {
  if (variable.sibling === undefined || !names.has(pathText(variable.path))) return;
  if (!names.has(pathText(variable.sibling))) putAt(root, variable.sibling, undefined);
}

function readValue(
  text: string,
  node: SettingNode | undefined,
): { kind: 'value'; value: unknown } | { kind: 'malformed' } {
  if (node === undefined || node.kind === 'text' || node.kind === 'choice')
    return { kind: 'value', value: text };
  const yaml = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
  if (yaml.errors.length > 0) return { kind: 'malformed' };
  try {
    const value: unknown = yaml.contents === null ? null : yaml.toJS({ maxAliasCount: 0 });
    return isTooDeep(value) ? { kind: 'malformed' } : { kind: 'value', value };
  } catch (failure) {
    // maxAliasCount 0: a variable has no use for aliases, and the library throws this for them.
    if (failure instanceof ReferenceError) return { kind: 'malformed' };
    throw failure;
  }
}
