/**
 * The words with which a setting of the schema describes itself. Type and checks stand in zod; what a person must know
 * stands here. The sample, the reference page, the JSON Schema and the environment names are all made from the two.
 */
import { z } from 'zod';

export interface SettingWords {
  /** What it is and what follows from it: whole sentences, in Markdown without headings or lists. */
  readonly description: string;
  /** Unit of a number, in the plural: `seconds`, `bytes`. Absent for counts and for what is no number. */
  readonly unit?: string;
  /** For a setting without default: what the sample shows. Shown commented out if the setting is optional. */
  readonly sample?: unknown;
  /** Never printed; may also come from `<key>_file` or the environment. The schema makes it a `Secret`. */
  readonly secret?: true;
  /** A file's path. The loader makes a relative one absolute, from the folder of the configuration file. */
  readonly path?: true;
}

interface ChoiceWords {
  readonly consequences: Readonly<Record<string, string>>;
  readonly notYet: Readonly<Record<string, string>>;
}

const words = z.registry<SettingWords>();
const choices = z.registry<ChoiceWords>();

/** Gives a schema its words. Call it last: what wraps the result (`.default()`, `.optional()`) would lose them. */
export function setting<Schema extends z.ZodType>(schema: Schema, told: SettingWords): Schema {
  words.add(schema, told);
  return schema;
}

/** The words given by `setting`, or `undefined` for a part of the schema that has none of its own. */
export function wordsOf(schema: z.ZodType): SettingWords | undefined {
  return words.get(schema);
}

/**
 * One of a few words.
 * @param consequences for each value, a sentence on what then happens.
 * @param notYet values that are planned but not carried out, each with what is missing: refused when checked, because
 * accepting them would promise what does not happen.
 */
export function choice<const Values extends Readonly<Record<string, string>>>(
  consequences: Values,
  notYet: Partial<Record<keyof Values & string, string>> = {},
) {
  type Value = keyof Values & string;
  const missing: Readonly<Record<string, string | undefined>> = notYet;
  const schema = z
    .enum(Object.keys(consequences) as [Value, ...Value[]])
    .refine((value: string) => missing[value] === undefined, {
      error: (issue) => `is not carried out by this version: ${missing[String(issue.input)]}`,
    });
  choices.add(schema, { consequences, notYet: notYet as Readonly<Record<string, string>> });
  return schema;
}

/** The consequences that `choice` was given, or `undefined` for another schema. */
export function choiceOf(schema: z.ZodType): ChoiceWords | undefined {
  return choices.get(schema);
}
