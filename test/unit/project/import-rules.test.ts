/** The rules of biome.json bite: violations are planted in a folder that has nothing else but the configuration. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT, sourcesOf } from './sources.ts';

const RESTRICTED = 'lint/style/noRestrictedImports';
/** The rooms of src/, and whose doors each may knock at. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  ambient: [],
  config: [],
  storage: [],
  signal: ['storage'],
  identity: ['storage'],
  network: [],
  matrix: [],
  media: ['storage'],
  http: [],
  bridge: ['storage', 'signal', 'network', 'matrix', 'media'],
};
const ROOMS = Object.keys(DOORS);
/** Packages, and a room that must not import them. */
const PACKAGES: Readonly<Record<string, string>> = {
  '@signalapp/libsignal-client': 'bridge',
  '@xmpp/client': 'bridge',
  '@xmpp/component': 'network',
  saxes: 'matrix',
  protobufjs: 'bridge',
  jose: 'bridge',
  knex: 'bridge',
  pg: 'bridge',
  'better-sqlite3': 'signal',
  'matrix-appservice-bridge': 'bridge',
  'matrix-js-sdk': 'matrix',
  pino: 'http',
  'prom-client': 'bridge',
  express: 'bridge',
  yaml: 'bridge',
  commander: 'config',
  '@fluent/bundle': 'matrix',
  'sanitize-html': 'bridge',
  htmlparser2: 'network',
  aws4: 'http',
  sharp: 'matrix',
  blurhash: 'bridge',
  'file-type': 'matrix',
  'music-metadata': 'matrix',
  'ogg-opus-decoder': 'network',
};

type Planted = Readonly<{ file: string; text: string; rule: string | undefined }>;

const use = (from: string) =>
  `import { thing } from '${from}';\n\n/** Planted. */\nexport const planted = thing;\n`;
const planted: Planted[] = [];
/** @param rule what has to be found there; `undefined`: nothing at all. */
const plant = (room: string, text: string, rule?: string) => {
  const file = `src/${room}/planted-${planted.length}.ts`;
  planted.push({ file, text, rule });
  return file;
};

const behind = ROOMS.flatMap((room) =>
  (DOORS[room] ?? []).map((of) => ({ room, of, file: plant(room, use(`../${of}/inside.ts`), RESTRICTED) })),
);
const throughDoors = ROOMS.flatMap((room) =>
  (DOORS[room] ?? []).map((of) => ({ room, of, file: plant(room, use(`../${of}/${of}.ts`)) })),
);
const strangers = ROOMS.flatMap((room) =>
  [...ROOMS, 'sandbox', 'cli']
    .filter((of) => of !== room && !(DOORS[room] ?? []).includes(of))
    .map((of) => ({ room, of, file: plant(room, use(`../${of}/${of}.ts`), RESTRICTED) })),
);
const roots = ROOMS.flatMap((room) =>
  ['daemon.ts', 'cli.ts'].map((of) => ({ room, of, file: plant(room, use(`../${of}`), RESTRICTED) })),
);
const packages = Object.entries(PACKAGES).map(([of, room]) => ({
  room,
  of,
  file: plant(room, use(of), RESTRICTED),
}));
const others = {
  'model imports nothing of the project': plant('model', use('../storage/storage.ts'), RESTRICTED),
  'model may import within itself': plant('model', use('./errors.ts')),
  'a room may import the model': plant('bridge', use('../model/ids.ts')),
  'a room may import within itself': plant('bridge', use('./inside.ts')),
  'the environment is read nowhere': plant(
    'bridge',
    '/** Planted. */\nexport const home = process.env.HOME;\n',
    'lint/style/noProcessEnv',
  ),
  'nothing is printed': plant(
    'bridge',
    "/** Planted. */\nexport function say(): void {\n  console.log('x');\n}\n",
    'lint/suspicious/noConsole',
  ),
  'no file only passes on': plant(
    'bridge',
    "export * from './inside.ts';\n",
    'lint/performance/noBarrelFile',
  ),
  'nothing is any': plant(
    'bridge',
    '/** Planted. */\nexport type Planted = any;\n',
    'lint/suspicious/noExplicitAny',
  ),
  'nothing is swallowed': plant(
    'bridge',
    '/** Planted. */\nexport function hush(work: () => void): void {\n  try {\n    work();\n  } catch {}\n}\n',
    'lint/suspicious/noEmptyBlockStatements',
  ),
  'no promise is left alone': plant(
    'bridge',
    'async function work(): Promise<void> {}\n\n/** Planted. */\nexport function begin(): void {\n  work();\n}\n',
    'lint/nursery/noFloatingPromises',
  ),
  'no test is skipped': plant(
    'bridge',
    "import { it } from 'node:test';\n\nit.skip('rests', () => undefined);\n",
    'lint/suspicious/noSkippedTests',
  ),
};

describe('the import rules', () => {
  let found: ReadonlyMap<string, readonly string[]>;
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'drawbridge-rules-'));
    copyFileSync(path.join(ROOT, 'biome.json'), path.join(folder, 'biome.json'));
    for (const { file, text } of [...planted, ...circle]) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), text);
    }
    found = lint(folder);
  });
  after(() => rmSync(folder, { recursive: true }));

  const circle = ['a', 'b'].map((name, index, all) => ({
    file: `src/bridge/circle-${name}.ts`,
    text: `import { thing } from './circle-${all[1 - index]}.ts';\n\n/** Planted. */\nexport const planted = () => thing;\nexport const thing = 1;\n`,
  }));
  const check = (file: string, what: string) => {
    const rule = planted.find((it) => it.file === file)?.rule;
    const rules = (found.get(file) ?? []).filter(
      (it) => it === rule || rule === undefined || it === RESTRICTED,
    );
    assert.deepEqual([...new Set(rules)], rule === undefined ? [] : [rule], what);
  };

  it('every room of src/ is known here, and has its rules in biome.json', () => {
    const rooms = new Set(sourcesOf('src/*/**/*.ts').map(({ file }) => file.split('/')[1] ?? ''));
    assert.deepEqual([...rooms].sort(), [...ROOMS, 'model', 'cli', 'sandbox'].sort());
    const rules = JSON.parse(readFileSync(path.join(ROOT, 'biome.json'), 'utf8')) as {
      overrides: {
        includes: string[];
        linter: { rules: { style?: { noRestrictedImports?: { options: { paths: object } } } } };
      }[];
    };
    const ruled = rules.overrides.filter(
      ({ linter }) => linter.rules.style?.noRestrictedImports !== undefined,
    );
    assert.deepEqual(
      ruled.map(({ includes }) => includes[0]).sort(),
      [...ROOMS, 'model'].map((room) => `src/${room}/**`).sort(),
    );
    const named = ruled.flatMap(({ linter }) =>
      Object.keys(linter.rules.style?.noRestrictedImports?.options.paths ?? {}),
    );
    assert.deepEqual([...new Set(named)].sort(), Object.keys(PACKAGES).sort());
  });

  it('a room imports no other room that it does not work on', () => {
    for (const { room, of, file } of strangers) check(file, `${room} imports ${of}`);
  });

  it('where a room may import another, then by its door', () => {
    for (const { room, of, file } of throughDoors) check(file, `${room} imports ${of} by its door`);
  });

  it('nothing behind a door is imported from outside', () => {
    for (const { room, of, file } of behind) check(file, `${room} imports from inside ${of}`);
  });

  it('nobody imports the composition root', () => {
    for (const { room, of, file } of roots) check(file, `${room} imports ${of}`);
  });

  it('a package is imported by the rooms it belongs to', () => {
    for (const { room, of, file } of packages) check(file, `${room} imports ${of}`);
  });

  for (const [rule, file] of Object.entries(others)) {
    it(rule, () => check(file, rule));
  }

  it('no two files import one another', () => {
    for (const { file } of circle)
      assert.ok(found.get(file)?.includes('lint/suspicious/noImportCycles'), file);
  });
});

/** The rules that are broken, by file. */
function lint(folder: string): ReadonlyMap<string, readonly string[]> {
  const program = path.join(ROOT, 'node_modules/.bin/biome');
  const args = ['lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none', '.'];
  const { stdout, stderr } = spawnSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  assert.ok(stdout.startsWith('{'), stderr);
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { category: string; location: { path: unknown } }[];
  };
  const rules = new Map<string, string[]>();
  for (const { category, location } of diagnostics) {
    const file = String((location.path as { file?: string } | null)?.file ?? location.path).replace(
      /^\.\//,
      '',
    );
    rules.set(file, [...(rules.get(file) ?? []), category]);
  }
  return rules;
}
