import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { parseDocument } from 'yaml';
import type { Config } from '../config/schema.ts';
import { type Registration, registrationFor, registrationText } from '../matrix/registration.ts';
import type { AddCommand, ConfigOption } from './command.ts';
import { configOption } from './command.ts';
import { EXIT } from './exit-codes.ts';
import type { CliIo } from './io.ts';
import { type Loaded, loadOrTell } from './loaded-config.ts';
import { withNewSecrets } from './new-secrets.ts';
import { fileErrorCode, replaceFile, statIfThere } from './replace-file.ts';

interface RegisterOptions extends ConfigOption {
  readonly output: string;
  readonly force?: true;
  readonly generateTokens?: true;
  readonly check?: true;
}

/** `drawbridge register`. */
export const addRegister: AddCommand = (program, { io, run }) => {
  program
    .command('register')
    .description(
      'Write the registration that the homeserver needs. Writes nothing unless the whole configuration is valid.',
    )
    .addOption(configOption(io))
    .option('-o, --output <file>', 'where the registration goes', './registration.yaml')
    .option('--force', 'overwrite the registration if it exists')
    .option(
      '--generate-tokens',
      'write new tokens into the configuration first, comments kept; also a master key, if it is still the placeholder',
    )
    .option('--check', 'write nothing; tell whether the registration is what the configuration gives')
    .action(run<RegisterOptions>(async (options) => await register(options, io)));
};

async function register(options: RegisterOptions, io: CliIo): Promise<number> {
  const prepared =
    options.generateTokens === true
      ? await generate(options, io)
      : await loadOrTell({ file: options.config }, io);
  if (typeof prepared === 'number') return prepared;
  const registration = registrationFor(prepared.config);
  if (options.check === true) return await check(options.output, registration, io);
  try {
    if (options.force !== true && (await statIfThere(options.output)) !== undefined) {
      io.err(`${options.output} exists already; --force overwrites it. Nothing was written.`);
      return EXIT.registrationExists;
    }
    if ('text' in prepared) {
      await replaceFile(options.config, prepared.text);
      io.out(`${options.config}: new ${prepared.names.join(', ')}`);
    }
    await replaceFile(options.output, registrationText(registration));
  } catch (failure) {
    const code = fileErrorCode(failure);
    if (code === undefined) throw failure;
    io.err(`The registration or the configuration could not be written (${code}).`);
    return EXIT.registrationUnwritable;
  }
  io.out(
    `${options.output}: written; name it in the homeserver’s app_service_config_files and restart the homeserver`,
  );
  return EXIT.ok;
}

type Generated = { readonly config: Config; readonly text: string; readonly names: readonly string[] };

async function generate(options: RegisterOptions, io: CliIo): Promise<Generated | number> {
  if (options.check === true) {
    io.err('--check writes nothing, so it does not go with --generate-tokens.');
    return EXIT.failed;
  }
  let text: string;
  try {
    text = await readFile(options.config, 'utf8');
  } catch (failure) {
    if (fileErrorCode(failure) === undefined) throw failure;
    // The loader reads it again and has the words for what is wrong.
    const told = await loadOrTell({ file: options.config }, io);
    return typeof told === 'number' ? told : EXIT.configUnreadable;
  }
  const fresh = withNewSecrets(text, io);
  if (fresh.kind === 'refused') {
    io.err(`No tokens were generated: ${fresh.reason}.`);
    return EXIT.registrationUnwritable;
  }
  const loaded: Loaded | number = await loadOrTell({ file: options.config, text: fresh.text }, io);
  return typeof loaded === 'number'
    ? loaded
    : { config: loaded.config, text: fresh.text, names: fresh.names };
}

async function check(file: string, registration: Registration, io: CliIo): Promise<number> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (failure) {
    const code = fileErrorCode(failure);
    if (code === undefined) throw failure;
    io.err(`${file} could not be read (${code}).`);
    return EXIT.registrationDiffers;
  }
  const document = parseDocument(text);
  const same =
    document.errors.length === 0 && isDeepStrictEqual(document.toJS({ maxAliasCount: 0 }), registration);
  if (!same)
    io.err(
      `${file} is not what the configuration gives: run "drawbridge register --force" and restart the homeserver.`,
    );
  else io.out(`${file}: up to date`);
  return same ? EXIT.ok : EXIT.registrationDiffers;
}
