import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { outOfDate } from '../../../scripts/generate.ts';
import { environmentName } from '../../../src/config/environment.ts';
import { jsonSchemaText } from '../../../src/config/pages/json-schema.ts';
import { referenceText } from '../../../src/config/pages/reference.ts';
import { sampleText } from '../../../src/config/pages/sample.ts';
import { ANY_KEY, configTree, nodeAt, type SettingNode } from '../../../src/config/settings.ts';

interface Leaf {
  readonly path: readonly string[];
  readonly node: SettingNode;
}

function leaves(node: SettingNode, path: readonly string[] = []): Leaf[] {
  if (node.kind === 'section')
    return [...node.children].flatMap(([key, child]) => leaves(child, [...path, key]));
  if (node.kind === 'map' && node.entry.kind === 'section') return leaves(node.entry, [...path, ANY_KEY]);
  return [{ path, node }];
}

describe('what is made from the schema', () => {
  test('the committed copies are up to date', async () => {
    assert.deepEqual(await outOfDate(), []);
  });

  test('every setting has words, and every sentence an end', () => {
    for (const { path, node } of leaves(configTree())) {
      assert.match(node.words.description, /^[A-Z`].*\.$/s, path.join('.'));
    }
  });

  test('every whole number has a lower and an upper bound', () => {
    for (const { path, node } of leaves(configTree())) {
      if (node.kind !== 'integer' && node.kind !== 'number') continue;
      assert.ok(
        node.min !== undefined && node.max !== undefined && node.max < Number.MAX_SAFE_INTEGER,
        path.join('.'),
      );
    }
  });

  test('every value of every choice has its consequence', () => {
    for (const { path, node } of leaves(configTree())) {
      const choice = node.kind === 'list' || node.kind === 'map' ? node.entry : node;
      if (choice.kind !== 'choice') continue;
      for (const words of Object.values(choice.consequences))
        assert.match(words, /^[A-Z].*\.$/, path.join('.'));
    }
  });

  test('what is required has a sample, and a default needs none', () => {
    for (const { path, node } of leaves(configTree())) {
      assert.equal(node.fallback === undefined, node.words.sample !== undefined, path.join('.'));
    }
  });

  test('every setting stands in the sample and in the reference', () => {
    const sample = sampleText(configTree());
    const reference = referenceText(configTree());
    for (const { path } of leaves(configTree())) {
      assert.match(sample, new RegExp(`^ *(?:# )?${path.at(-1)}:`, 'm'), path.join('.'));
      if (path.length > 1) assert.ok(reference.includes(`### ${path.join('.')}\n`), path.join('.'));
    }
  });

  test('no two settings share a variable', () => {
    const names = leaves(configTree()).map(({ path }) => environmentName(path));
    assert.equal(new Set(names).size, names.length);
  });

  test('no line of the sample is wider than 120 characters', () => {
    for (const line of sampleText(configTree()).split('\n')) assert.ok(line.length <= 120, line);
  });

  test('the JSON Schema takes a secret’s file form and leaves out what is refused', () => {
    const schema = JSON.parse(jsonSchemaText());
    const { appservice, networks } = schema.properties;
    assert.equal(appservice.properties.as_token_file.type, 'string');
    assert.ok(!appservice.required.includes('as_token') && appservice.required.includes('address'));
    assert.deepEqual(networks.additionalProperties.properties.hold.enum, ['always']);
  });

  test('a path is looked up with concrete keys', () => {
    assert.equal(nodeAt(configTree(), ['networks', 'any', 'hold'])?.kind, 'choice');
    assert.equal(nodeAt(configTree(), ['listeners', 3, 'port'])?.kind, 'integer');
    assert.equal(nodeAt(configTree(), ['listeners', 3, 'prot']), undefined);
    assert.equal(nodeAt(configTree(), ['logging', 'level', 'deeper']), undefined);
  });
});
