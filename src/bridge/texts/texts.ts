/**
 * The texts that people read, from one file a language (Project Fluent). Every text has an id; those that people agree to
 * have a version and a digest as well, which the consent ledger keeps.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { FluentBundle, FluentResource, type FluentVariable } from '@fluent/bundle';
import { bridgeErrors } from '../errors.ts';

export type TextArguments = Readonly<Record<string, FluentVariable>>;

/** A text that was agreed to: what the ledger writes down. */
export type VersionedText = Readonly<{
  id: string;
  version: number;
  body: string;
  sha256: string;
  language: string;
}>;

const LANGUAGES = ['en'] as const;
export type Language = (typeof LANGUAGES)[number];

export class Texts {
  readonly #bundles: ReadonlyMap<Language, FluentBundle>;

  /** Reads the catalogues. @throws BridgeError `bridge/badText` when one is malformed. */
  constructor() {
    this.#bundles = new Map(LANGUAGES.map((language) => [language, loadBundle(language)]));
  }

  /** The text in this language. @throws BridgeError `bridge/badText`: no such id, or an argument is missing. */
  say(id: string, args: TextArguments = {}, language: Language = 'en'): string {
    const message = this.#bundle(language).getMessage(id);
    if (!message?.value) throw bridgeErrors.badText({ text: id, language });
    const failures: Error[] = [];
    const said = this.#bundle(language).formatPattern(message.value, args, failures);
    if (failures.length > 0) throw bridgeErrors.badText({ text: id, language }, failures[0]);
    return said;
  }

  /** Whether there is a text of this id. */
  has(id: string, language: Language = 'en'): boolean {
    return this.#bundle(language).hasMessage(id);
  }

  /**
   * The version of a text, and the digest of what was really shown.
   * @param body the whole text as shown, this one and what stands around it.
   */
  versioned(id: string, body: string, language: Language = 'en'): VersionedText {
    const attribute = this.#bundle(language).getMessage(id)?.attributes.version;
    const version = Number(attribute);
    if (!Number.isInteger(version)) throw bridgeErrors.badText({ text: id, language, why: 'no version' });
    return { id, version, body, sha256: createHash('sha256').update(body).digest('hex'), language };
  }

  #bundle(language: Language): FluentBundle {
    const bundle = this.#bundles.get(language);
    if (bundle === undefined) throw bridgeErrors.badText({ language });
    return bundle;
  }
}

function loadBundle(language: Language): FluentBundle {
  // No isolation marks around arguments: they would be part of what is hashed and compared, and of copied phone numbers.
  const bundle = new FluentBundle(language, { useIsolating: false });
  const source = readFileSync(path.join(import.meta.dirname, `${language}.ftl`), 'utf8');
  const [failure] = bundle.addResource(new FluentResource(source));
  if (failure !== undefined) throw bridgeErrors.badText({ language }, failure);
  return bundle;
}
