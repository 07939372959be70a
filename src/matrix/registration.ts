/**
 * The file by which the homeserver knows this appservice (Matrix specification, "Application Service API",
 * "Registration"), with the unstable keys that Synapse reads for what is not in a release of the specification yet.
 */
import { stringify } from 'yaml';

/** One pattern of a namespace. `exclusive`: nobody else may have an id that fits. */
export interface Namespace {
  readonly exclusive: boolean;
  readonly regex: string;
}

/** The registration as the homeserver reads it; the names are the specification's. */
export interface Registration {
  readonly id: string;
  readonly url: string;
  readonly as_token: string;
  readonly hs_token: string;
  readonly sender_localpart: string;
  readonly rate_limited: false;
  readonly receive_ephemeral: true;
  readonly 'de.sorunome.msc2409.push_ephemeral': true;
  readonly 'org.matrix.msc3202': true;
  readonly 'io.element.msc4190': true;
  readonly namespaces: {
    readonly users: readonly Namespace[];
    readonly aliases: readonly Namespace[];
    readonly rooms: readonly Namespace[];
  };
}

/** A secret of the configuration, shown only where it is asked for. */
type Secret = { reveal(): string };

/** The part of the configuration that the registration is made from. */
export interface RegistrationConfig {
  readonly homeserver: { readonly domain: string };
  readonly appservice: {
    readonly id: string;
    readonly address: string;
    readonly bot: { readonly username: string };
    readonly ghost_prefix: string;
    readonly as_token: Secret;
    readonly hs_token: Secret;
  };
}

/**
 * Builds the registration; it holds both tokens in the clear. Networks share the ghost prefix, so the patterns stay when
 * a network is added.
 */
export function registrationFor(config: RegistrationConfig): Registration {
  const { appservice } = config;
  const ghosts = escapeRegex(appservice.ghost_prefix);
  const domain = escapeRegex(config.homeserver.domain);
  return {
    id: appservice.id,
    url: appservice.address,
    as_token: appservice.as_token.reveal(),
    hs_token: appservice.hs_token.reveal(),
    sender_localpart: appservice.bot.username,
    rate_limited: false,
    receive_ephemeral: true,
    'de.sorunome.msc2409.push_ephemeral': true, // MSC2409: to-device messages and ephemeral events, before v1.13
    'org.matrix.msc3202': true, // MSC3202 (not merged): device list changes and key counts in transactions
    'io.element.msc4190': true, // MSC4190: devices of the bot and ghosts without a login
    namespaces: {
      users: [
        // Whatever follows the prefix: identifiers of contacts have changed their form on other networks before.
        { exclusive: true, regex: `^@${ghosts}.*:${domain}$` },
        // The sender is ours anyway; as a member of the namespace it also gets to-device messages.
        { exclusive: true, regex: `^@${escapeRegex(appservice.bot.username)}:${domain}$` },
      ],
      aliases: [{ exclusive: true, regex: `^#${ghosts}.*:${domain}$` }],
      rooms: [],
    },
  };
}

/** The file's text, with a comment for whoever finds it on the homeserver. */
export function registrationText(registration: Registration): string {
  return (
    '# Registers Drawbridge with the homeserver. Made by "drawbridge register" from its configuration: change it there.\n' +
    '# Synapse: name this file under app_service_config_files in homeserver.yaml and restart. It holds two secrets.\n' +
    stringify(registration, { lineWidth: 0 })
  );
}

/** For Python's `re` and Rust's `regex`, which the homeservers use: `-` must not be escaped outside a class. */
function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
