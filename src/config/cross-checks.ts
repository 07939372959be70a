/** What only shows when settings are seen together. A check runs if the sections it needs are sound on their own. */
import type { SettingPath } from './fault.ts';
import type { Config, ListenerResource } from './schema.ts';

export interface CrossFinding {
  readonly severity: 'fault' | 'warning';
  readonly path: SettingPath;
  readonly reason: string;
}

type Section = keyof Config;
type CrossCheck = (sections: Partial<Config>) => readonly CrossFinding[];

/** All findings for the sections that are there; an absent section failed on its own. */
export function crossCheck(sections: Partial<Config>): readonly CrossFinding[] {
  return CHECKS.flatMap((check) => check(sections));
}

function needs<Name extends Section>(
  names: readonly Name[],
  check: (config: Pick<Config, Name>) => Iterable<CrossFinding>,
): CrossCheck {
  return (sections) =>
    names.every((name) => sections[name] !== undefined) ? [...check(sections as Pick<Config, Name>)] : [];
}

const CHECKS: readonly CrossCheck[] = [
  needs(['listeners'], checkResources),
  needs(['listeners'], checkPorts),
  needs(['appservice'], checkAppservice),
  needs(['public'], checkKeyRotation),
  needs(['database'], checkDatabase),
  needs(['encryption'], checkMasterKeys),
  needs(['media'], checkMedia),
  needs(['homeserver', 'bridge', 'networks'], checkPermissions),
  needs(['networks'], checkNetworksDiffer),
  needs(['networks'], checkKeyLives),
];

function fault(path: SettingPath, reason: string): CrossFinding {
  return { severity: 'fault', path, reason };
}

function* checkResources({ listeners }: Pick<Config, 'listeners'>): Iterable<CrossFinding> {
  const seen = new Map<ListenerResource, number>();
  for (const [index, { resources }] of listeners.entries()) {
    for (const [place, resource] of resources.entries()) {
      const first = seen.get(resource);
      if (first === undefined) seen.set(resource, index);
      else
        yield fault(['listeners', index, 'resources', place], `is answered by listeners[${first}] already`);
    }
  }
  for (const resource of ['appservice', 'public'] as const) {
    if (!seen.has(resource)) yield fault(['listeners'], `no listener has the resource ${resource}`);
  }
}

function* checkPorts({ listeners }: Pick<Config, 'listeners'>): Iterable<CrossFinding> {
  for (const [index, listener] of listeners.entries()) {
    const earlier = listeners.findIndex(
      (other, place) =>
        place < index && other.port === listener.port && overlap(other.bind_address, listener.bind_address),
    );
    if (earlier >= 0) yield fault(['listeners', index, 'port'], `is taken by listeners[${earlier}] already`);
  }
}

/** Whether two sockets on these addresses with one port would stand in each other's way. `::` takes IPv4 as well. */
function overlap(one: string, other: string): boolean {
  const covers = (wide: string, narrow: string) =>
    wide === '::' || (wide === '0.0.0.0' && !narrow.includes(':'));
  return one === other || covers(one, other) || covers(other, one);
}

function* checkAppservice({ appservice }: Pick<Config, 'appservice'>): Iterable<CrossFinding> {
  if (appservice.as_token.reveal() === appservice.hs_token.reveal()) {
    yield fault(['appservice', 'hs_token'], 'must not be the same as as_token');
  }
  if (appservice.bot.username.startsWith(appservice.ghost_prefix)) {
    yield fault(
      ['appservice', 'bot', 'username'],
      'must not begin with ghost_prefix, or the bot looks like a contact',
    );
  }
}

function* checkKeyRotation({ public: endpoint }: Pick<Config, 'public'>): Iterable<CrossFinding> {
  // Interop profile §1: the next key is published two cache lifetimes before it signs; one more leaves time to spare.
  if (endpoint.key_rotation_days * 86_400 < endpoint.jwks_max_age_s * 3) {
    yield fault(['public', 'jwks_max_age_s'], 'must be less than a third of key_rotation_days');
  }
}

function* checkDatabase({ database }: Pick<Config, 'database'>): Iterable<CrossFinding> {
  const path = ['database', 'uri'];
  const uri = database.uri.reveal();
  const isPostgres = /^postgres(?:ql)?:\/\//.test(uri);
  if (database.type === 'postgres' && !isPostgres)
    yield fault(path, 'must begin with postgres:// as database.type is postgres');
  if (database.type === 'sqlite' && isPostgres)
    yield fault(path, 'is a PostgreSQL URI, but database.type is sqlite');
  if (database.type !== 'sqlite' || isPostgres) return;
  if (uri === ':memory:') yield fault(path, 'must be a file; in memory everything would be lost at the end');
  else if (/^[a-z]+:/.test(uri))
    yield fault(path, 'must be the path of a file, without file: or any other scheme');
}

function* checkMedia({ media }: Pick<Config, 'media'>): Iterable<CrossFinding> {
  const needed = ['endpoint', 'bucket', 'access_key_id', 'secret_access_key'] as const;
  for (const key of media.store === 's3' ? needed : []) {
    if (media.s3[key] === undefined) yield fault(['media', 's3', key], 'is needed, as media.store is s3');
  }
  if (media.max_bytes > media.account_quota_bytes) {
    yield fault(['media', 'account_quota_bytes'], 'must not be less than max_bytes');
  }
  if (media.account_quota_bytes > media.total_quota_bytes) {
    yield fault(['media', 'total_quota_bytes'], 'must not be less than account_quota_bytes');
  }
}

function* checkMasterKeys({ encryption }: Pick<Config, 'encryption'>): Iterable<CrossFinding> {
  if (encryption.previous_master_key?.reveal().equals(encryption.master_key.reveal()) === true) {
    yield fault(['encryption', 'previous_master_key'], 'must not be the same as master_key');
  }
}

function* checkPermissions(
  config: Pick<Config, 'homeserver' | 'bridge' | 'networks'>,
): Iterable<CrossFinding> {
  const path = ['bridge', 'permissions'];
  const covered = new Set(
    Object.values(config.networks).flatMap((network) =>
      network.homeservers.length === 0 ? [config.homeserver.domain] : network.homeservers,
    ),
  );
  let usable = false;
  for (const [key, permission] of Object.entries(config.bridge.permissions)) {
    if (permission === 'none') continue;
    const server = key.startsWith('@') ? key.slice(key.indexOf(':') + 1) : key;
    if (key === '*' || covered.has(server)) usable = true;
    else {
      const reason = `has no effect on opting in: no network’s homeservers cover ${server}`;
      yield { severity: 'warning', path: [...path, key], reason };
    }
  }
  if (!usable)
    yield fault(path, 'lets nobody use the bridge: give user or admin to someone whom a network covers');
}

function* checkNetworksDiffer({ networks }: Pick<Config, 'networks'>): Iterable<CrossFinding> {
  const seen = new Map<string, string>();
  for (const [id, network] of Object.entries(networks)) {
    const identity = JSON.stringify([network.audience, network.domain]);
    const first = seen.get(identity);
    if (first === undefined) seen.set(identity, id);
    else yield fault(['networks', id, 'domain'], `with this audience is networks.${first} already`);
  }
}

function* checkKeyLives({ networks }: Pick<Config, 'networks'>): Iterable<CrossFinding> {
  for (const [id, network] of Object.entries(networks)) {
    if (network.prekeys.initial > network.prekeys.max) {
      yield fault(['networks', id, 'prekeys', 'initial'], 'must not be more than max');
    }
    if (network.signed_prekey_keep_days < network.signed_prekey_rotation_days) {
      yield fault(
        ['networks', id, 'signed_prekey_keep_days'],
        'must not be less than signed_prekey_rotation_days',
      );
    }
  }
}
