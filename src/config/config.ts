/**
 * The door of `config/`: from a file, the environment and files with secrets to a checked configuration. All faults are
 * told at once. Reads no `process.env`: the environment is handed in.
 */
import { access, constants, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { nearest } from '../model/nearest.ts';
import { crossCheck } from './cross-checks.ts';
import { type ConfigDocument, parseConfigDocument } from './document.ts';
import { type EffectiveSetting, effectiveSettings } from './effective.ts';
import { type Environment, layEnvironment } from './environment.ts';
import { type Fault, pathText, type SettingPath, shownValue } from './fault.ts';
import { findPlaceholders } from './placeholders.ts';
import { type Config, configSchema } from './schema.ts';
import { checkSection, type SchemaFault } from './schema-faults.ts';
import { readSecretFiles, unreadableReason } from './secret-files.ts';
import { configTree, nodeAt, type SectionNode, type SettingNode } from './settings.ts';
import { isMap, type RawMap, valueAt } from './tree.ts';

export type { Fault } from './fault.ts';
export type { Config, ListenerResource, NetworkConfig, Permission } from './schema.ts';
export type { Secret } from './secret.ts';

export interface ConfigSource {
  /** Path of the YAML file, as it is to appear in faults. Relative paths inside begin at its folder. */
  readonly file: string;
  /** Its text, if that is at hand already; else the file is read. */
  readonly text?: string;
  readonly environment: Environment;
}

export type LoadResult =
  | {
      readonly kind: 'loaded';
      readonly config: Config;
      /** Lines for the operator: not wrong, but probably not meant. */
      readonly warnings: readonly string[];
      /** Every setting with its value and where it came from; secrets as `[set]`. */
      readonly effective: readonly EffectiveSetting[];
    }
  /** There is no such file, or it is not YAML. */
  | { readonly kind: 'unreadable'; readonly faults: readonly Fault[] }
  | { readonly kind: 'invalid'; readonly faults: readonly Fault[] };

/** Loads and checks a configuration. Faults stand in the order of the file. */
export async function loadConfig(source: ConfigSource): Promise<LoadResult> {
  const text = await readSource(source);
  if (typeof text !== 'string') return { kind: 'unreadable', faults: [text] };
  const parsed = parseConfigDocument(text, source.file);
  if (parsed.kind === 'malformed') return { kind: 'unreadable', faults: parsed.faults };
  return await new Check(source, parsed.document).run();
}

async function readSource(source: ConfigSource): Promise<string | Fault> {
  if (source.text !== undefined) return source.text;
  try {
    return await readFile(source.file, 'utf8');
  } catch (failure) {
    return { path: [], reason: unreadableReason(failure), origin: source.file };
  }
}

/** One run over one configuration: collects faults, and knows where each value came from. */
class Check {
  readonly #source: ConfigSource;
  readonly #document: ConfigDocument;
  readonly #root: RawMap;
  readonly #tree: SectionNode = configTree();
  readonly #folder: string;
  readonly #faults: Fault[] = [];
  #names: ReadonlyMap<string, string> = new Map();

  constructor(source: ConfigSource, document: ConfigDocument) {
    this.#source = source;
    this.#document = document;
    this.#root = document.root;
    this.#folder = path.dirname(path.resolve(source.file));
  }

  async run(): Promise<LoadResult> {
    dropEmpty(this.#root, this.#tree);
    const overlay = layEnvironment(this.#root, this.#tree, this.#source.environment);
    this.#faults.push(...overlay.faults);
    this.#names = overlay.names;
    const secrets = await readSecretFiles(this.#root, this.#tree, this.#folder);
    for (const { path: at, reason } of secrets.faults) this.#add({ path: at, reason, hidden: true });
    for (const { path: at, inKey } of findPlaceholders(this.#root)) {
      const hidden = inKey || this.#isSecret(at);
      this.#add({ path: at, reason: 'is still the placeholder of the sample; fill it in', hidden });
    }
    this.#resolveDatabasePath();
    await this.#resolvePaths(this.#tree, this.#root, []);
    const warnings = [...secrets.warnings, ...this.#checkSchema()];
    const whole = configSchema.safeParse(this.#root);
    if (this.#faults.length > 0 || !whole.success) return { kind: 'invalid', faults: this.#sorted() };
    const effective = effectiveSettings(this.#root, this.#tree, (at) => this.#originOf(at));
    // After the defaults are in: the folder has one, and may not be there yet.
    const media = { ...whole.data.media, path: path.resolve(this.#folder, whole.data.media.path) };
    return { kind: 'loaded', config: { ...whole.data, media }, warnings, effective };
  }

  /** @returns warnings. */
  #checkSchema(): string[] {
    const sound: Partial<Record<keyof Config, unknown>> = {};
    const sections = Object.entries(configSchema.shape) as [keyof Config, z.ZodType][];
    for (const [name, schema] of sections) {
      const result = checkSection(name, schema, this.#root[name], this.#tree);
      if (result.kind === 'valid') sound[name] = result.value;
      else for (const found of result.faults) this.#add(found);
    }
    const known = Object.keys(configSchema.shape);
    for (const name of Object.keys(this.#root).filter((key) => !known.includes(key))) {
      this.#add({
        path: [name],
        reason: 'is not a known section',
        nearest: nearest(name, known),
        hidden: true,
      });
    }
    const warnings: string[] = [];
    for (const finding of crossCheck(sound as Partial<Config>)) {
      if (finding.severity === 'fault') this.#add({ ...finding, hidden: false });
      else warnings.push(`${this.#originOf(finding.path)}: ${pathText(finding.path)}: ${finding.reason}`);
    }
    return warnings;
  }

  /** The first fault of a path counts: the others follow from it. */
  #add(found: SchemaFault): void {
    const isKnown = (at: SettingPath) => this.#faults.some((fault) => pathText(fault.path) === pathText(at));
    // A secret whose file could not be read is not "missing" as well.
    if (isKnown(found.path) || isKnown(fileForm(found.path))) return;
    const value = found.hidden
      ? undefined
      : shownValue(valueAt(this.#root, found.path), this.#isSecret(found.path));
    const origin = this.#originOf(found.path);
    this.#faults.push({ path: found.path, reason: found.reason, origin, value, nearest: found.nearest });
  }

  #isSecret(at: SettingPath): boolean {
    return nodeAt(this.#tree, at)?.words.secret === true;
  }

  #originOf(at: SettingPath): string {
    for (let length = at.length; length > 0; length -= 1) {
      const part = pathText(at.slice(0, length));
      const name = this.#names.get(part) ?? this.#names.get(`${part}_file`);
      if (name !== undefined) return name;
    }
    const fileKey = this.#isSecret(at) ? this.#document.positionOf(fileForm(at)) : undefined;
    return fileKey ?? this.#document.originOf(at);
  }

  /** A relative SQLite path begins at the configuration's folder, not wherever the process happens to stand. */
  #resolveDatabasePath(): void {
    const database = this.#root.database;
    if (!isMap(database) || (database.type ?? 'sqlite') !== 'sqlite') return;
    const { uri } = database;
    if (typeof uri !== 'string' || uri === '' || /^[a-z]+:|^:memory:$/.test(uri)) return;
    database.uri = path.resolve(this.#folder, uri);
  }

  async #resolvePaths(node: SettingNode, raw: unknown, at: SettingPath): Promise<void> {
    if (!isMap(raw) || (node.kind !== 'section' && node.kind !== 'map')) return;
    for (const [key, value] of Object.entries(raw)) {
      const child = node.kind === 'map' ? node.entry : node.children.get(key);
      if (child === undefined) continue;
      await this.#resolvePaths(child, value, [...at, key]);
      if (child.words.path !== true || typeof value !== 'string' || value === '') continue;
      const file = path.resolve(this.#folder, value);
      raw[key] = file;
      try {
        await access(file, constants.R_OK);
      } catch (failure) {
        this.#add({
          path: [...at, key],
          reason: `names a path that ${unreadableReason(failure)}`,
          hidden: false,
        });
      }
    }
  }

  /** By line of the file; then what has no line, which is the environment. */
  #sorted(): readonly Fault[] {
    const place = (fault: Fault): readonly [number, number] => {
      const [, line, column] = /:(\d+):(\d+)$/.exec(fault.origin) ?? [];
      return [Number(line ?? Number.MAX_SAFE_INTEGER), Number(column ?? 0)];
    };
    return this.#faults.toSorted((one, other) => {
      const [lineOne, columnOne] = place(one);
      const [lineOther, columnOther] = place(other);
      return lineOne - lineOther || columnOne - columnOther;
    });
  }
}

function fileForm(at: SettingPath): SettingPath {
  return at.length === 0 ? at : [...at.slice(0, -1), `${at.at(-1)}_file`];
}

/** `key:` with nothing behind it counts as not given. In a map whose keys the operator chose it stays, and is a fault. */
function dropEmpty(raw: unknown, node: SettingNode): void {
  if (!isMap(raw)) return;
  for (const [key, value] of Object.entries(raw)) {
    if (node.kind === 'section') {
      const child = node.children.get(key);
      if (value === null) delete raw[key];
      else if (child !== undefined) dropEmpty(value, child);
    } else if (node.kind === 'map') dropEmpty(value, node.entry);
  }
}
