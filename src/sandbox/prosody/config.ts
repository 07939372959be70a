/** Prosody's configuration file, as text. Pure. */

export interface ProsodySettings {
  readonly domain: string;
  /** Folder with our Lua modules. */
  readonly moduleDir: string;
  /** Folder for data, pid file and log. */
  readonly dataDir: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** All on 127.0.0.1. */
  readonly ports: ProsodyPorts;
  readonly componentSecret: string;
  /** Shared by the gatekeeper process and Prosody, both ways. */
  readonly adminSecret: string;
  /** Base URL of the gatekeeper process's internal listener. */
  readonly authorityUrl: string;
  /** Whether Prosody's own refusal to run as root has to be lifted. */
  readonly asRoot: boolean;
}

export interface ProsodyPorts {
  /** Direct TLS for clients (XEP-0368). There is no other client port. */
  readonly c2sDirectTls: number;
  /** XEP-0114. */
  readonly component: number;
  /** The admin module. */
  readonly http: number;
}

const modules = [
  'roster',
  'saslauth',
  'tls',
  'disco',
  'presence',
  'message',
  'iq',
  'c2s',
  'ping',
  'blocklist',
  'limits',
  'csi',
  'offline',
  'smacks',
  'mam',
  'gk_smacks_fix',
  'gk_admin',
  'gk_push',
];

/**
 * The whole file. Carbons are not offered, server to server is off, and the only way in is direct TLS.
 * @example
 * prosodyConfig(settings).includes('c2s_direct_tls_ports = { 5223 }')
 */
export function prosodyConfig(settings: ProsodySettings): string {
  const { ports } = settings;
  const q = luaString;
  return `${[
    settings.asRoot ? 'run_as_root = true' : '-- not run as root',
    `data_path = ${q(settings.dataDir)}`,
    `pidfile = ${q(`${settings.dataDir}/prosody.pid`)}`,
    'log = { info = "*console" }',
    `plugin_paths = { ${q(settings.moduleDir)} }`,
    'interfaces = { "127.0.0.1" }; local_interfaces = { "127.0.0.1" }; component_interfaces = { "127.0.0.1" }',
    'http_interfaces = { "127.0.0.1" }; https_ports = {}',
    `http_ports = { ${ports.http} }; http_default_host = ${q(settings.domain)}`,
    `c2s_ports = {}; c2s_direct_tls_ports = { ${ports.c2sDirectTls} }; component_ports = { ${ports.component} }`,
    'modules_disabled = { "s2s", "s2s_auth_certs" }',
    `modules_enabled = { ${modules.map(q).join(', ')} }`,
    `ssl = { certificate = ${q(settings.certificateFile)}; key = ${q(settings.keyFile)} }`,
    `c2s_direct_tls_ssl = { certificate = ${q(settings.certificateFile)}; key = ${q(settings.keyFile)} }`,
    'c2s_require_encryption = true; allow_unencrypted_plain_auth = false',
    'c2s_stanza_size_limit = 256 * 1024',
    'limits = { c2s = { rate = "10mb/s"; burst = "5s" } }',
    // Over the queue's size a session cannot be resumed; the default is 500.
    'smacks_hibernation_time = 600; smacks_max_queue_size = 5000',
    // The internal driver stalls the whole server from about 10,000 archived messages on.
    'default_storage = "internal"; storage = { archive = "sql" }',
    'sql = { driver = "SQLite3"; database = "archive.sqlite" }; sqlite_tune = "fast"',
    'default_archive_policy = true; archive_expires_after = "1w"; max_archive_query_results = 100',
    '',
    `VirtualHost ${q(settings.domain)}`,
    '  authentication = "gk_jwt"',
    `  gk_authority_url = ${q(settings.authorityUrl)}`,
    `  gk_secret = ${q(settings.adminSecret)}`,
    '',
    `Component ${q(`keys.${settings.domain}`)}`,
    `  component_secret = ${q(settings.componentSecret)}`,
  ].join('\n')}\n`;
}

/**
 * A Lua string literal for any text.
 * @example
 * luaString('a"b') // "\"a\\034b\"": Lua's decimal escapes
 */
export function luaString(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  let literal = '"';
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    literal += plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`;
  }
  return `${literal}"`;
}
