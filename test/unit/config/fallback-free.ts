import { isMap, parseDocument, type YAMLMap } from 'yaml';
import { configTree, type SettingNode } from '../../../src/config/settings.ts';

/** The configuration without anything that has a default. */
export function fallbackFree(text: string): string {
  const document = parseDocument(text);
  if (isMap(document.contents)) strip(document.contents as YAMLMap, configTree());
  return document.toString();
}

function strip(map: YAMLMap, node: SettingNode): void {
  for (const { key, value } of [...map.items]) {
    const name = String(key);
    const child =
      node.kind === 'section' ? node.children.get(name) : node.kind === 'map' ? node.entry : undefined;
    if (child === undefined) continue;
    if (!child.required) map.delete(key);
    else if (isMap(value)) strip(value as YAMLMap, child);
  }
}
