/** `config.schema.json`: JSON Schema (draft 2020-12) of the file, so that an editor completes and checks while typing. */
import { z } from 'zod';
import { configSchema } from '../schema.ts';
import { choiceOf, wordsOf } from '../setting.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The JSON Schema as text. It knows less than `check-config`: nothing that takes two settings to see. */
export function jsonSchemaText(): string {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      // zod types the hook by its core; all schemas here are made by the classic API.
      const known = zodSchema as unknown as z.ZodType;
      const words = wordsOf(known);
      if (words !== undefined) jsonSchema.description = words.description.replaceAll('`', '');
      const choice = choiceOf(known);
      if (choice !== undefined)
        jsonSchema.enum = Object.keys(choice.consequences).filter((value) => !choice.notYet[value]);
      if (known instanceof z.ZodObject) addFileForms(known, jsonSchema);
    },
  });
  return `${JSON.stringify({ ...schema, title: 'Drawbridge configuration' }, null, 2)}\n`;
}

/** A secret may be given as `<key>_file` instead, and is then not required itself. */
function addFileForms(schema: z.ZodObject, json: JsonSchema): void {
  for (const [key, child] of Object.entries(schema.shape)) {
    if (wordsOf(child as z.ZodType)?.secret !== true) continue;
    const properties = { ...json.properties };
    properties[`${key}_file`] = { type: 'string', description: `Path of a file that holds ${key}.` };
    json.properties = properties;
    json.required = (json.required ?? []).filter((name) => name !== key);
  }
}
