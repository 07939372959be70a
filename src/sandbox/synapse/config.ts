/** The files that a Synapse for sandbox and tests runs on. JSON, which is YAML as well. */

/** Made once for a folder and kept over restarts. */
export type SynapseSecrets = Readonly<{
  /** For the registration of users by shared secret. */
  registration: string;
  macaroon: string;
  form: string;
  /** Synapse's format: `ed25519 <key id> <32 bytes, base64 without padding>`. */
  signingKey: string;
}>;

/** @param random gives this many secure random bytes. */
export function makeSecrets(random: (length: number) => Buffer): SynapseSecrets {
  const secret = () => random(32).toString('hex');
  const seed = random(32).toString('base64').replaceAll('=', '');
  return {
    registration: secret(),
    macaroon: secret(),
    form: secret(),
    signingKey: `ed25519 a_${random(2).toString('hex')} ${seed}\n`,
  };
}

/** Paths are absolute, inside the server's folder but for `registrations`. */
export type SynapseConfigInput = Readonly<{
  serverName: string;
  port: number;
  folder: string;
  databaseFile: string;
  logConfigFile: string;
  signingKeyFile: string;
  /** Registration files of application services. */
  registrations: readonly string[];
  secrets: SynapseSecrets;
}>;

const UNLIMITED = { per_second: 1_000_000, burst_count: 1_000_000 };

/** The homeserver configuration: this machine only, no federation, no rate limits, nothing reported. */
export function homeserverConfig(input: SynapseConfigInput): Record<string, unknown> {
  const { serverName, port, folder, secrets } = input;
  return {
    server_name: serverName,
    public_baseurl: `http://127.0.0.1:${port}/`,
    pid_file: `${folder}/synapse.pid`,
    listeners: [
      { port, type: 'http', tls: false, bind_addresses: ['127.0.0.1'], resources: [{ names: ['client'] }] },
    ],
    database: { name: 'sqlite3', args: { database: input.databaseFile } },
    log_config: input.logConfigFile,
    media_store_path: `${folder}/media`,
    max_upload_size: '100M',
    url_preview_enabled: false,
    signing_key_path: input.signingKeyFile,
    macaroon_secret_key: secrets.macaroon,
    form_secret: secrets.form,
    registration_shared_secret: secrets.registration,
    enable_registration: false,
    bcrypt_rounds: 4, // the least it takes: passwords here protect nothing, and each login would cost a third of a second
    federation_domain_whitelist: [],
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    report_stats: false,
    presence: { enabled: true },
    app_service_config_files: input.registrations,
    // Both are needed for encryption in application services. MSC4190 is switched on in the registration alone.
    experimental_features: {
      msc2409_to_device_messages_enabled: true,
      msc3202_transaction_extensions: true,
    },
    ...withoutRateLimits(),
  };
}

function withoutRateLimits(): Record<string, unknown> {
  return {
    rc_message: UNLIMITED,
    rc_registration: UNLIMITED,
    rc_login: { address: UNLIMITED, account: UNLIMITED, failed_attempts: UNLIMITED },
    rc_joins: { local: UNLIMITED, remote: UNLIMITED },
    rc_joins_per_room: UNLIMITED,
    rc_invites: { per_room: UNLIMITED, per_user: UNLIMITED, per_issuer: UNLIMITED },
    rc_key_requests: UNLIMITED,
    rc_media_create: UNLIMITED,
    rc_presence: { per_user: UNLIMITED },
    rc_room_creation: UNLIMITED,
    rc_user_directory: UNLIMITED,
    rc_admin_redaction: UNLIMITED,
  };
}

/** Python's logging configuration: all to one file, without buffering. */
export function logConfig(logFile: string): Record<string, unknown> {
  return {
    version: 1,
    disable_existing_loggers: false,
    formatters: { plain: { format: '%(asctime)s %(levelname)s %(name)s %(request)s %(message)s' } },
    handlers: { file: { class: 'logging.FileHandler', filename: logFile, formatter: 'plain' } },
    root: { level: 'INFO', handlers: ['file'] },
  };
}
